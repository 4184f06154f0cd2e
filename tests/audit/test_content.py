"""Records held against what their rows give: all of them, in mixtures of any size."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from mixture_builder import known_files
from mixture_builder.audit import context as audit_context
from mixture_builder.audit import queries
from mixture_builder.audit.context import FEW
from mixture_builder.audit.document import document
from mixture_builder.audit.given import given_records
from mixture_builder.audit.shard import audit_shard, merged
from mixture_builder.audit.subject import built_mixture
from mixture_builder.audit.view import ShardView
from mixture_builder.drivers import auditing
from mixture_builder.drivers.auditing import run_audit
from mixture_builder.fingerprint import canonical_json
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.parquet import write_parquet
from mixture_builder.jobs import warm
from mixture_builder.jobs.inspect.records import read_batches
from mixture_builder.render import programs
from mixture_builder.render.programs import programs_to_json
from tests.audit.conftest import checks_of, findings_of
from tests.cli.helpers import run

TASKS = ("quickstart/reviews", "quickstart/sums")
SHARDS = 3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A mixture of more than `FEW` examples of two tasks, in three shards, and its row store."""
    folder = tmp_path_factory.mktemp("given")
    recipe = {
        "name": "given",
        "seed": 1,
        "size": {"examples": FEW + 200},
        "submixtures": {"all": {"rate": 1, "tasks": list(TASKS)}},
        "variants": {"zs_opt": 1, "zs_noopt": 1, "fs_opt": 1},
        "output": {"shards": SHARDS},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    out, store = folder / "out", folder / "store"
    built = run("build", folder / "recipe.yaml", "--out", out, "--store", store, "--workers", 0)
    assert built.exit_code == 0, built.output
    return out, store


def other_rows(record: dict[str, Any]) -> bool:
    """The first two exemplars change places, in the column alone."""
    rows = record["exemplar_rows"]
    record["exemplar_rows"] = [*rows[1::-1], *rows[2:]]
    return len(rows) > 1


def text_changed(name: str, record: dict[str, Any]) -> bool:
    """A letter in the middle becomes another."""
    text = record[name]
    at = len(text) // 2
    record[name] = f"{text[:at]}{'x' if text[at] != 'x' else 'y'}{text[at + 1 :]}"
    return True


CHANGES = {
    "a letter of the prompt": lambda record: text_changed("inputs", record),
    "a letter of the target": lambda record: text_changed("targets", record),
    "the row": lambda record: bool(record.update(row=record["row"] + 1)) or True,
    "the order of exemplars": other_rows,
    "the template": lambda record: bool(record.update(template_id="other")) or True,
    "the variant": lambda record: bool(record.update(variant="zs_other")) or True,
    "the style": lambda record: bool(record.update(style="")) or bool(record["num_exemplars"]),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_record_that_is_wrong_is_found_wherever_it_stands(
    large: tuple[Path, Path], tmp_path: Path, what: str, shard: int
):
    """One record of which one column is not as its row gives it is an error, in any shard."""
    clean, store = large
    context = built_mixture(str(clean), store=store)
    file = context.shard_file(shard)
    records = records_of(clean / file)
    # The last one that can be changed so: no sample of the first would see it.
    place, record = next(
        (place, changed)
        for place, changed in reversed([*enumerate(map(dict, records))])
        if CHANGES[what](changed)
    )
    out = tmp_path / "out"
    shutil.copytree(clean, out)
    records[place] = record
    write_parquet(pa.Table.from_pylist(records, schema=EXAMPLE_SCHEMA), f"{out}/{file}")

    told = audited(out, store, tmp_path)

    [finding] = findings_of(told, "content/not_as_rendered")
    assert (finding["task"], finding["count"]) == (record["task_id"], 1)
    assert (finding["evidence"][0]["shard"], finding["evidence"][0]["row"]) == (file, place)


def test_nothing_is_found_in_a_mixture_that_is_as_its_rows_give_it(
    large: tuple[Path, Path], tmp_path: Path
):
    """All records of a sound mixture are compared, and are what their rows give."""
    told = audited(*large, tmp_path)

    assert told["content"] == {"compared": FEW + 200}
    assert "content/not_as_rendered" not in checks_of(told)


def test_what_rows_give_does_not_depend_on_when_it_is_worked_out(large: tuple[Path, Path]):
    """Rendered beforehand for all shards or for each stretch alone: the document is the same."""
    out, store = large
    context = built_mixture(str(out), store=store)

    beforehand = document(run_audit(context, workers=0), context)
    alone = document(merged(audit_shard(context, s) for s in range(SHARDS)), context)

    assert json.dumps(beforehand) == json.dumps(alone)


@pytest.mark.parametrize("few", [2_000, 10_000])
def test_the_first_texts_are_taken_apart_and_no_others_that_rows_give_so(
    large: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, few: int
):
    """What rendering itself does wrong is looked for in some; elsewhere rows are trusted."""
    out, store = large
    monkeypatch.setattr(audit_context, "FEW", few)
    context = built_mixture(str(out), store=store)
    trusted = []
    for shard in range(SHARDS):
        file = context.shard_file(shard)
        table = pa.Table.from_pylist(records_of(out / file), schema=EXAMPLE_SCHEMA)
        found = []
        for start in (0, 1_000, 3_000):
            stop = 1_000 if start == 0 else 3_000 if start == 1_000 else None
            stretch = table.slice(start, stop and stop - start).combine_chunks()
            view = ShardView(stretch, context, file=file, first_row=start)
            view.given = given_records(view)
            found += view.trusted.tolist()
        trusted.append(found)

    assert trusted[0] == [place >= few for place in range(len(trusted[0]))]
    assert all(map(all, trusted[1:]))


def test_exemplars_are_not_searched_for_where_rendering_has_told_where_they_stand(
    large: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
):
    """Beyond the first records none is, as long as each is what its row gives it."""

    def searched(*_: Any) -> None:
        raise AssertionError

    out, store = large
    context = built_mixture(str(out), store=store)
    monkeypatch.setattr(queries, "_query", searched)
    with pytest.raises(AssertionError):
        audit_shard(context, 0)
    assert audit_shard(context, 1).examples > 1_000


def test_workers_know_the_programs_that_the_build_has_worked_out(
    large: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The lock names the very texts that the recipe does, so none of them is parsed again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(known_files.SWITCH, "on")
    monkeypatch.setattr(auditing, "_context", None)
    out, store = large
    texts = warm._found(out.parent / "recipe.yaml", cards=None, templates=None).texts
    known_files.remember("programs", canonical_json(texts), found=programs_to_json(texts))
    monkeypatch.setattr(programs, "_programs", {})
    auditing._set_context(replace(built_mixture(str(out), store=store), given=str(tmp_path)))

    assert {text for text, _ in programs._programs} == set(texts)
    assert len(texts) > 20


def test_figures_are_those_of_texts_taken_apart(large: tuple[Path, Path]):
    """Places of right options are the same whether read from prompts or worked out from rows."""
    out, store = large
    with_rows = document_of(out, store)
    without = document_of(out, store / "none")

    places = {
        name: told["option_positions"]["counts"]
        for name, told in without["tasks"].items()
        if "option_positions" in told
    }
    assert set(places) == {"quickstart/reviews"}
    assert places == {
        name: with_rows["tasks"][name]["option_positions"]["counts"] for name in places
    }


def document_of(out: Path, store: Path) -> dict[str, Any]:
    context = built_mixture(str(out), store=store)
    return document(run_audit(context, workers=0), context)


def records_of(file: Path) -> list[dict[str, Any]]:
    batches = list(read_batches(str(file), format="parquet"))
    records: list[dict[str, Any]] = pa.Table.from_batches(batches).to_pylist()
    return records


def audited(out: Path, store: Path, folder: Path) -> dict[str, Any]:
    file = folder / "told.json"
    run("audit", out, "--store", store, "--workers", 0, "--json", file)
    told: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return told
