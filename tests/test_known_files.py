"""Files are read and checked once, then known by their content; nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mixture_builder import known_files, template_texts
from mixture_builder.card_files import load_cards
from mixture_builder.errors import VerifyError
from mixture_builder.jobs.inspect.records import read_lock
from mixture_builder.known_files import SWITCH, recall, remember
from mixture_builder.recipes import load_recipe
from mixture_builder.render import programs
from mixture_builder.render.programs import know_programs, program_of, programs_to_json
from mixture_builder.shipped import cards_folder, recipes_folder, templates_folder
from mixture_builder.styles import load_styles
from mixture_builder.template_files import load_templates, template_names
from tests.jobs.test_build import lock_of

TEMPLATES = """\
about: Colours.
templates:
  - id: one
    input: What colour is {{ thing }}?
    target: "{{ answer }}"
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that nothing else uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(SWITCH, raising=False)
    return tmp_path / "cache"


def entries(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.json"))


def test_what_is_remembered_is_recalled_for_the_same_content_only() -> None:
    """An entry is named by its kind and by every part of the content."""
    remember("kind", b"a", b"b", found={"x": [1, None, "ä"]})
    assert recall("kind", b"a", b"b") == {"x": [1, None, "ä"]}
    assert recall("other kind", b"a", b"b") is None
    assert recall("kind", b"ab", b"") is None


def test_what_json_would_change_is_not_kept(own_cache: Path) -> None:
    """Data that does not come back as it was is found out each time."""
    remember("kind", b"a", found={1: "a key that is a number"})
    remember("kind", b"a", found={"a set": {1}})
    assert entries(own_cache) == []


def test_other_code_knows_nothing(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """Where the code has changed, files are read anew, and what older code left is removed."""
    remember("kind", b"a", found=1)
    monkeypatch.setattr(known_files, "_code", lambda: "0123456789abcdef")
    assert recall("kind", b"a") is None
    remember("kind", b"b", found=2)
    assert len(entries(own_cache)) == 1


def test_switched_off_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """`MIXTURE_BUILDER_KNOWN=off` neither writes nor reads."""
    monkeypatch.setenv(SWITCH, "off")
    remember("kind", b"a", found=1)
    assert entries(own_cache) == []
    monkeypatch.delenv(SWITCH)
    remember("kind", b"a", found=1)
    monkeypatch.setenv(SWITCH, "off")
    assert recall("kind", b"a") is None


def test_a_folder_that_cannot_be_used_is_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cache folder that is a file is no error."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember("kind", b"a", found=1)
    assert recall("kind", b"a") is None


def test_a_damaged_entry_is_read_anew(tmp_path: Path, own_cache: Path) -> None:
    """Half an entry is no entry."""
    (tmp_path / "t.yaml").write_text(TEMPLATES)
    first, _ = load_templates(tmp_path, "t")
    assert len(entries(own_cache)) == 2  # the file's data, and the facts of its texts
    for entry in entries(own_cache):
        entry.write_bytes(entry.read_bytes()[:10])
    assert load_templates(tmp_path, "t") == (first, [])


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    """What a file says counts, not its name or its time."""
    (tmp_path / "t.yaml").write_text(TEMPLATES)
    load_templates(tmp_path, "t")
    (tmp_path / "t.yaml").write_text(TEMPLATES.replace("What colour", "Which colour"))
    changed, _ = load_templates(tmp_path, "t")
    assert changed is not None
    assert changed.templates[0].input == "Which colour is {{ thing }}?"


def test_mistakes_are_reported_each_time(tmp_path: Path) -> None:
    """Only sound files are known; the findings of others stay what they are."""
    (tmp_path / "t.yaml").write_text(TEMPLATES.replace("{{ thing }}", "{{ thing"))
    first, again = load_templates(tmp_path, "t"), load_templates(tmp_path, "t")
    assert first[0] is None
    assert first == again


def test_what_is_known_is_what_would_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of all shapes, templates, styles and recipes are the same, known or read."""
    parts = ("cot/", "niv2/", "quickstart/")

    def everything() -> list[object]:
        template_texts._known.clear()
        cards, problems = load_cards(cards_folder(), wanted=lambda path: path.startswith(parts))
        names = [n for n in template_names(templates_folder()) if n.startswith(parts)]
        sets = [load_templates(templates_folder(), name) for name in names]
        facts = [
            (t.id, t.names, t.served(has_options=True), t.served(has_options=True, strict=True))
            for found, _ in sets
            if found
            for t in found.templates
        ]
        recipes = [load_recipe(p, shown_as=p.name) for p in sorted(recipes_folder().glob("*.yaml"))]
        return [cards, problems, sets, facts, recipes, load_styles(templates_folder())]

    monkeypatch.setenv(SWITCH, "off")
    read = everything()
    monkeypatch.delenv(SWITCH)
    assert everything() == read  # remembers
    assert everything() == read  # recalls


def test_a_lock_is_known_by_its_bytes(quickstart: Any, tmp_path: Path, own_cache: Path) -> None:
    """A lock that was read is known wherever its file stands; a changed or damaged one is read."""
    first = tmp_path / "recipe.lock.yaml"
    first.write_text(yaml.safe_dump(lock_of(quickstart, shards=1, examples=10).to_json()))
    read = read_lock(str(first))
    (entry,) = entries(own_cache)
    again = tmp_path / "again.lock.yaml"
    again.write_bytes(first.read_bytes())
    assert read_lock(str(again)) == read
    assert entries(own_cache) == [entry]

    entry.write_bytes(entry.read_bytes()[:10])
    assert read_lock(str(again)) == read

    again.write_bytes(first.read_bytes().replace(b"render_version:", b"rendered_version:"))
    for _ in range(2):
        with pytest.raises(VerifyError, match="no lock that this version"):
            read_lock(str(again))
    assert entries(own_cache) == [entry]


def test_known_programs_are_those_that_would_be_made() -> None:
    """Templates as programs of columns come back from plain data as they were."""
    found, _ = load_templates(templates_folder(), "muffin/imdb_reviews")
    assert found is not None
    texts = [text for t in found.templates for _, text in t.texts()]
    texts.append("{% if thing == 'a' %}{{ thing }}{% else %}b{% endif %}")
    texts.append("{{ thing | upper }}")
    plain = programs_to_json(texts)
    made = [program_of(text, options_shown=shown) for text in texts for shown in (False, True)]
    programs._programs.clear()
    know_programs(plain)
    assert [programs._programs[t, s] for t in texts for s in (False, True)] == made
    assert None in made
