"""What is fuzzed: each target reads bytes of a stranger and may only refuse them by name.

A target raises nothing but what its callers expect: findings are returned, `MixtureBuilderError`
is an answer. Any other exception, and any hang, is a fault of ours.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError

from mixture_builder.card_files import load_cards
from mixture_builder.errors import MixtureBuilderError
from mixture_builder.imports.promptsource_files import read_promptsource
from mixture_builder.imports.template_files import card_stub, import_set, template_file
from mixture_builder.io.excluded_rows import read_excluded_rows
from mixture_builder.io.jsonl import read_jsonl
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import read_source
from mixture_builder.io.stored_task import find_task
from mixture_builder.io.tfrecord import read_tfrecord
from mixture_builder.io.verify import ExpectedFile, verify_file
from mixture_builder.jinja_compiler import compile_expression, compile_text
from mixture_builder.jobs.inspect.records import load_lock, load_manifest
from mixture_builder.recipes import load_recipe
from mixture_builder.sources import Format, Source
from mixture_builder.template_files import load_templates

ROW = {"text": "a text", "words": ["one", "two"], "n": 3, "record": {"key": "value"}}

MAX_RECORDS = 10_000


@lru_cache(maxsize=1)
def _folder() -> Path:
    """On a disk in memory where there is one: millions of small files are written."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))


def _write(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _card(data: bytes) -> None:
    load_cards(_write("cards/suite/card.yaml", data).parents[1])


def _template_file(data: bytes) -> None:
    load_templates(_write("templates/suite/file.yaml", data).parents[1], "suite/file")


def _recipe(data: bytes) -> None:
    load_recipe(_write("recipe.yaml", data), shown_as="recipe.yaml")


def _template(data: bytes) -> None:
    source = data.decode("utf-8", "replace")
    with suppress(TemplateSyntaxError):
        shown = compile_text(source).render_many({k: [v] for k, v in ROW.items()}, 1)[0]
        assert isinstance(shown, Exception) or " at 0x" not in shown
    with suppress(TemplateSyntaxError):
        expression = compile_expression(source)
        # What fails for a row is data: its record goes to quarantine.
        with suppress(Exception):
            expression(dict(ROW))


def _mirror(data: bytes) -> None:
    Mirror.load(_write("mirror.yaml", data))


def _manifest(data: bytes) -> None:
    load_manifest(str(_write("mixture/manifest.json", data).parent))


def _lock(data: bytes) -> None:
    load_lock(str(_write("locked/lock.yaml", data).parent))


def _tfrecord(data: bytes) -> None:
    for _ in read_tfrecord(str(_write("a.tfrecord", data))):
        pass


def _shard_jsonl(data: bytes) -> None:
    for _ in read_jsonl(str(_write("a.jsonl", data))):
        pass


def _shard_parquet(data: bytes) -> None:
    path = str(_write("a.parquet", data))
    expected = ExpectedFile(rows=3, bytes=len(data), sha256="", content_digest="")
    assert verify_file(path, "parquet", expected, decode=True)


def _promptsource(data: bytes) -> None:
    upstream, findings = read_promptsource(_write("theirs.yaml", data), shown_as="theirs.yaml")
    if upstream is None:
        assert findings
        return
    imported = import_set(upstream)
    if not imported.templates:
        return
    card_stub(imported)
    text = template_file(imported, licence="CC0-1.0")
    path = _write(f"imported/{imported.name}.yaml", text.encode("utf-8"))
    loaded, findings = load_templates(_folder() / "imported", imported.name)
    path.unlink()
    assert loaded is not None, findings


def _excluded_rows(data: bytes) -> None:
    read_excluded_rows([(_write("rows.jsonl", data), "rows.jsonl")])


def _stored_task(data: bytes) -> None:
    _write("store/suite/task/fingerprint/meta.json", data)
    find_task(_folder() / "store", "suite/task", "fingerprint")


def _source(
    format: Format,  # noqa: A002
    *,
    inside: str = "",
    **further: Any,
) -> Callable[[bytes], None]:
    source = Source(files=(f"{inside}data",), format=format, **further)

    def read(data: bytes) -> None:
        folder = _write(f"sources/{format}{inside[:3]}/data", data).parent
        for number, _ in enumerate(read_source(source, base=str(folder), mirror=Mirror.empty())):
            if number > MAX_RECORDS:
                return

    return read


TARGETS: dict[str, Callable[[bytes], None]] = {
    "card": _card,
    "template_file": _template_file,
    "template": _template,
    "recipe": _recipe,
    "mirror": _mirror,
    "manifest": _manifest,
    "lock": _lock,
    "tfrecord": _tfrecord,
    "natural_instructions": _source("natural_instructions"),
    "tsv": _source("tsv", header=True, quoting=False),
    "csv": _source("csv", header=True),
    "jsonl": _source("jsonl"),
    "json": _source("json"),
    "xml": _source("xml", xml_record="a"),
    "text": _source("text"),
    "document": _source("document"),
    "parquet": _source("parquet"),
    "explode": _source("json", records="data", explode=("paragraphs", "qas.*")),
    "packed": _source("jsonl"),
    "zip": _source("jsonl", inside="zip://**::"),
    "tar": _source("jsonl", inside="tar://**::"),
    "shard_jsonl": _shard_jsonl,
    "shard_parquet": _shard_parquet,
    "promptsource": _promptsource,
    "excluded_rows": _excluded_rows,
    "stored_task": _stored_task,
}


def run(name: str, data: bytes) -> None:
    """Gives a target some bytes; an answer that names what is wrong is right."""
    with suppress(MixtureBuilderError):
        TARGETS[name](data)
