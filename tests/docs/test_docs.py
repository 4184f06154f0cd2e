"""The documentation is true: links lead somewhere, YAML is sound, generated parts are fresh."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.manifest import make_manifest
from tests.conftest import Ingested
from tests.docs.blocks import DOCS, ROOT, Block, blocks_of, prose_of, written_pages
from tests.docs.snippets import findings_of, kind_of

PAGES = [pytest.param(p, id=p.relative_to(ROOT).as_posix()) for p in written_pages()]
YAML_BLOCKS = [
    pytest.param(block, id=block.place)
    for page in written_pages()
    for block in blocks_of(page)
    if block.language == "yaml"
]
CLAIMS = ("fragment", "wrong", "accepted")

_SOURCE_FILE = re.compile(r"`([\w/<>]+\.py)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: Path):
    """A relative link names a file that is there; the schemas are added when the site is built."""
    broken = []
    for found in _LINK.finditer(prose_of(page)):
        target = (found[1] or found[2]).split("#")[0]
        if not target or "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve()
        if path.parent == DOCS / "schemas":
            path = ROOT / "mixture_builder" / "schemas" / path.name
        if not path.is_file():
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_pages_name_are_there(page: Path):
    """A Python file named in a page stands in the package, or at the root of the project."""
    named = {name for name in _SOURCE_FILE.findall(prose_of(page)) if "<" not in name}

    folders = (ROOT / "mixture_builder", ROOT)
    assert sorted(n for n in named if not any((f / n).is_file() for f in folders)) == []


def test_the_manifest_has_the_keys_that_its_page_lists(quickstart: Ingested):
    """The page on the manifest lists all keys of a manifest and of its tasks, and no others."""
    lock = lock_mixture(quickstart.mixture, stored=quickstart.stored, broken={}, shards=1)
    manifest = make_manifest(
        lock=lock.to_json(),
        fingerprint=lock.fingerprint,
        shards=[],
        content_digest="",
        sources={},
        versions={},
        columns={},
        cards=lock.cards,
    )
    page = prose_of(DOCS / "reference" / "manifest.md")
    _, whole, task, *_ = page.split("\n| Key | Holds |\n")
    listed, listed_of_tasks = (_first_column(part) for part in (whole, task))

    # Only what `--take` has built is a prefix.
    assert listed == {*manifest, "prefix"}
    # Only where prompts were shortened is it counted.
    assert listed_of_tasks == {*next(iter(manifest["tasks"].values())), "fewer_exemplars"}


def _first_column(text: str) -> set[str]:
    rows = [line.split("|")[1] for line in text.split("\n\n", maxsplit=1)[0].splitlines()[1:]]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("block", YAML_BLOCKS)
def test_yaml_in_the_pages_is_what_the_page_says_of_it(block: Block, tmp_path: Path):
    """Every YAML block is sound, or wrong in the way that the page shows."""
    claims = [claim for claim in CLAIMS if claim in block.notes]
    if not claims:
        kind = kind_of(yaml.safe_load(block.text))
        assert kind, "neither a whole file of a known kind, nor marked as a fragment"
        assert findings_of(kind, block.text, fragment=False, folder=tmp_path) == []
        return
    kind = block.notes[claims[0]]
    found = findings_of(kind, block.text, fragment=not _whole(block.text), folder=tmp_path)
    if claims != ["wrong"]:
        assert found == []
        return
    said = [" ".join(f"{f.message} {f.remedy}".split()) for f in found]
    shown = _text_after(block)
    assert any(shown in text for text in said), f"the page shows: {shown}\nsaid is: {said}"


def _whole(text: str) -> bool:
    try:
        return bool(kind_of(yaml.safe_load(text)))
    except yaml.YAMLError:
        return False


def _text_after(block: Block) -> str:
    following = [b for b in blocks_of(ROOT / block.page) if b.line > block.line]
    assert [b.language for b in following[:1]] == ["text"], "a `text` block must say what is wrong"
    return " ".join(following[0].text.split())


def test_generated_parts_are_fresh():
    """The parts of the reference that follow from the code are as the code has them now."""
    generate = _generate()

    stale = [
        path.relative_to(ROOT).as_posix()
        for path in generate.pages()
        if generate.fresh(path) != path.read_text(encoding="utf-8")
    ]

    assert stale == [], "run `make docs`"


def test_every_generated_part_stands_on_a_page():
    """No part is generated for nobody."""
    generate = _generate()
    text = "".join(page.read_text(encoding="utf-8") for page in generate.pages())

    assert [name for name in generate.PARTS if f"<!-- generated: {name} -->" not in text] == []


def _generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_plain_text(page: Path):
    """A page has one title, no machine's paths, and no line end but the plain one."""
    text = page.read_text(encoding="utf-8")
    prose = prose_of(page)

    assert "\r" not in text
    assert not re.search(r"/(root|tmp|work)/", text)
    assert prose.count("\n# ") + prose.startswith("# ") + prose.startswith("--8<--") == 1


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path):
    """`mkdocs build --strict` finds every page in the menu, every link and every anchor."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed; it comes with the extra 'docs'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "schemas" / "recipe.schema.json").is_file()
