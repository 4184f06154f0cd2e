"""`preview`: examples of one task, those of the mixture itself where the rows are stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mixture_builder.io.rowstore import StoredRows
from mixture_builder.jobs.inspect.prompts import take_apart
from mixture_builder.jobs.inspect.records import load_lock, load_manifest, read_batches
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.shipped import templates_folder
from mixture_builder.styles import load_styles
from tests.cli.helpers import QUESTIONS, Workspace, run


def records_of(mixture: Path, task: str) -> dict[int, dict[str, object]]:
    """The records of one task of a mixture, by draw."""
    found = {}
    for entry in load_manifest(str(mixture))["shards"]:
        for batch in read_batches(f"{mixture}/{entry['file']}", format="parquet"):
            rows = pa.Table.from_batches([batch]).to_pylist()
            found.update({row["draw"]: row for row in rows if row["task_id"] == task})
    return found


@pytest.mark.parametrize("task", ["quickstart/reviews", "quickstart/sums"])
def test_stored_rows_give_the_examples_of_the_mixture(
    mixture: Path, store: Path, task: str
) -> None:
    """What is previewed is what is built: the same draws, letter for letter."""
    done = run("preview", "quickstart", "--task", task, "-n", 40, "--store", store, "--json")

    preview = json.loads(done.stdout)
    built = records_of(mixture, task)
    assert preview["stored"] is True
    assert [e["draw"] for e in preview["examples"]] == list(range(40))
    for example in preview["examples"]:
        record = built[example["draw"]]
        for key in ("inputs", "targets", "variant", "style", "num_exemplars"):
            assert example[key] == record[key]


def test_without_a_store_the_sample_records_of_the_card_serve(tmp_path: Path) -> None:
    """An author sees templates rendered before anything is downloaded, and is told what of."""
    done = run("preview", "quickstart", "--task", "quickstart/reviews", "--store", tmp_path)

    assert done.exit_code == 0, done.output
    assert "sample records of the card (it is not in the store)" in done.stdout
    assert done.stdout.count("=== draw") == 3
    assert done.stdout.count("\ntarget\n") == 3


@pytest.mark.parametrize("variant", ["zs_opt", "zs_noopt", "fs_opt", "fs_noopt"])
def test_one_variant_can_be_asked_for(store: Path, variant: str) -> None:
    """--variant shows the first draws that serve it, and no others."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", store],
        *["--variant", variant, "-n", 5, "--json"],
    )

    examples = json.loads(done.stdout)["examples"]
    assert [e["variant"] for e in examples] == [variant] * 5


def test_a_variant_that_the_task_does_not_serve_is_wrong_usage(store: Path) -> None:
    """A task without answer options has no variant that shows them."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/sums", "--store", store],
        *["--variant", "zs_opt"],
    )

    assert done.exit_code == 2
    assert "fs_noopt, zs_noopt" in done.stderr


def test_a_task_that_the_recipe_does_not_name_is_wrong_usage(store: Path) -> None:
    """The recipe decides how a task is shown, so it must name it."""
    done = run("preview", "quickstart", "--task", "quickstart/review", "--store", store)

    assert done.exit_code == 2
    assert "Did you mean 'quickstart/reviews'?" in done.stderr


def test_samples_that_give_no_row_are_an_error(workspace: Workspace) -> None:
    """A card whose samples do not fit its fields has nothing to show."""
    workspace.task("sums", None, sample=[{"query": "x", "answer": "y"}, {"q": "x"}])

    done = run("preview", workspace.recipe, "--task", "tiny/sums", *workspace.options)

    assert done.exit_code == 1
    assert "tiny/sums: sample[0]" in done.stderr
    assert "Correct the expression or the sample" in done.stderr


def test_prompts_are_taken_apart_where_their_parts_meet(mixture: Path) -> None:
    """Put together again, instruction, exemplars and query hold all letters of the prompt."""
    styles, _, _ = load_styles(templates_folder())
    assert styles is not None
    separators = {s.id: s.text for s in styles.separators}
    lock = load_lock(str(mixture))
    few_shot = 0
    for task in ("quickstart/reviews", "quickstart/conversations", "quickstart/sums"):
        plan = next(t for t in lock.plan.tasks if t.task == task)
        instructed = {t.id for t in lock.templates[plan.templates] if t.instruction}
        for record in list(records_of(mixture, task).values())[:100]:
            shown = record["num_exemplars"]
            parts = take_apart(
                str(record["inputs"]),
                style=str(record["style"]),
                styles=styles,
                exemplars=int(str(shown)),
                instructed=record["template_id"] in instructed,
            )
            if not parts.clear:
                assert parts.query == record["inputs"]
                continue
            assert len(parts.exemplars) == shown
            style = str(record["style"]).rpartition("exemplars=")[2].split("/")[-1]
            pieces = [parts.instruction] * bool(parts.instruction)
            pieces += [*parts.exemplars, parts.query]
            assert separators.get(style, "").join(pieces) == record["inputs"]
            few_shot += bool(shown)
    assert few_shot > 50


def test_a_text_that_holds_the_separator_is_not_taken_apart() -> None:
    """Borders that are not certain are not shown."""
    styles, _, _ = load_styles(templates_folder())
    assert styles is not None
    labels = styles.labels[0]
    separator = styles.separators[0]
    border = labels.target_end + separator.text + labels.input
    prompt = f"{labels.input}one{border}two{border}three"

    parts = take_apart(
        prompt,
        style=f"exemplars={labels.id}/{separator.id}",
        styles=styles,
        exemplars=1,
        instructed=False,
    )

    assert not parts.clear
    assert parts.query == prompt


def test_rows_in_memory_stand_as_they_would_in_the_store(workspace: Workspace) -> None:
    """Order, identities and keys are those that ingest gives."""
    run("ingest", workspace.recipe, *workspace.options, "--workers", 0)
    (folder,) = (workspace.store / "tiny" / "sums").iterdir()
    stored = StoredRows(folder, expected_rows=8)

    rows = MemoryRows(QUESTIONS, fields=["question", "answer"])

    every = np.arange(8)
    assert rows.fields == stored.fields
    assert rows.ids(every).tolist() == stored.ids(every).tolist()
    assert rows.columns(rows.fields, every) == stored.columns(stored.fields, every)
    assert rows.keys("question", every).tolist() == stored.keys("question", every).tolist()
    assert [rows.index_of(i) for i in rows.ids(every).tolist()] == list(range(8))
    assert rows.index_of(-5) == -1


def test_copies_in_memory_have_identities_of_their_own() -> None:
    """Two equal rows are two rows."""
    rows = MemoryRows([QUESTIONS[0], QUESTIONS[0]], fields=["question", "answer"])

    assert rows.count == 2
    assert len(set(rows.ids(np.arange(2)).tolist())) == 2


def test_a_preview_draws_from_what_pins_leave(workspace: Workspace) -> None:
    """A recipe's pins hold for previews; those that leave nothing are errors here as well."""
    styles = {"exemplars": {"labels": ["input_output"], "separators": ["dashes"]}}
    workspace.write_recipe(styles=styles, variants={"fs_noopt": 1})
    preview = ["preview", workspace.recipe, *workspace.options, "--task", "tiny/sums", "-n", 5]

    drawn = json.loads(run(*preview, "--json").stdout)["examples"]
    workspace.write_recipe(styles={"exemplars": {"labels": ["q_a"]}})
    refused = run(*preview)

    assert {example["style"] for example in drawn} == {"exemplars=input_output/dashes"}
    assert refused.exit_code == 1
    assert "suits: any" in refused.stderr
