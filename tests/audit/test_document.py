"""The document of an audit: its shape, and that it depends on nothing but the mixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

import mixture_builder
from tests.audit.conftest import Clean
from tests.cli.helpers import run

SCHEMA = json.loads(
    (Path(mixture_builder.__file__).parent / "schemas" / "audit.schema.json").read_text("utf-8")
)


def test_the_quickstart_has_no_errors_and_no_warnings(clean: Clean):
    """Nothing is wrong with the mixture that everybody builds first."""
    told = clean.audit()

    assert [f for f in told["findings"] if f["severity"] != "note"] == []
    assert told["examples"] == 6000


def test_the_document_is_as_its_schema_says(clean: Clean):
    """The published schema describes what is written."""
    jsonschema.validate(clean.audit(), SCHEMA)


def test_a_recipe_is_audited_as_what_it_would_be_built_to(
    clean: Clean, quickstart_folders: tuple[Path, Path], tmp_path: Path
):
    """Auditing a recipe gives what auditing its mixture gives, and writes no mixture."""
    out, store = quickstart_folders
    told: list[dict[str, Any]] = []
    for subject in (out, "quickstart"):
        file = tmp_path / f"{len(told)}.json"
        result = run("audit", subject, "--store", store, "--workers", 0, "--json", file)
        assert result.exit_code == 0, result.output
        told.append(json.loads(file.read_text("utf-8")))
    built, planned = told

    assert planned["mixture"]["built"] is False
    # What is rendered for the audit is not rendered twice and compared.
    assert (built["content"], planned["content"]) == ({"compared": 6000}, {"compared": 0})
    apart = {"mixture", "content"}
    assert {k: v for k, v in built.items() if k not in apart} == {
        k: v for k, v in planned.items() if k not in apart
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.json", "1.json"]


def test_beam_tells_the_same(quickstart_folders: tuple[Path, Path], tmp_path: Path):
    """The document is the same from a Beam runner, byte for byte."""
    out, store = quickstart_folders
    for name, options in (("local", ["--workers", 0]), ("beam", ["--runner", "FnApiRunner"])):
        result = run("audit", out, "--store", store, *options, "--json", tmp_path / name)
        assert result.exit_code == 0, result.output

    assert (tmp_path / "local").read_bytes() == (tmp_path / "beam").read_bytes()
    assert not (store / ".results").exists()


def test_shards_may_be_read_in_any_stretches(clean: Clean):
    """How a shard is cut into stretches changes nothing."""
    import pyarrow as pa

    from mixture_builder.audit.document import document
    from mixture_builder.audit.shard import merged, observed
    from mixture_builder.io.example_schema import EXAMPLE_SCHEMA

    parts = []
    for number, records in enumerate(clean.records):
        table = pa.Table.from_pylist(records, schema=EXAMPLE_SCHEMA)
        cut = [table.slice(at, 333) for at in range(0, table.num_rows, 333)]
        file = clean.context.shard_file(number)
        parts.append(observed(cut, clean.context, file=file))

    told = json.loads(json.dumps(document(merged(reversed(parts)), clean.context)))
    assert told == clean.audit()


def test_the_exit_code_says_whether_there_are_findings(clean: Clean, tmp_path: Path):
    """A finding as bad as --fail-on ends the command with 1."""
    import shutil

    import pyarrow as pa

    from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
    from mixture_builder.io.parquet import write_parquet

    out = tmp_path / "out"
    shutil.copytree(clean.out, out)
    records = clean.shards()[0]
    records[0]["draw"] = records[0]["draw"] + 1_000_000
    file = clean.context.shard_file(0)
    write_parquet(pa.Table.from_pylist(records, schema=EXAMPLE_SCHEMA), f"{out}/{file}")

    result = run("audit", out, "--store", clean.store, "--workers", 0)

    assert result.exit_code == 1
    assert "coverage/draws" in result.output
