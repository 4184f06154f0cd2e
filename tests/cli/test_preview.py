"""`preview`: examples of one task, those of the mixture itself where the rows are stored."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.jobs.inspect.records import load_manifest, read_batches
from mixture_builder.render.memory_rows import MemoryRows
from mixture_builder.render.parts import PART_KINDS
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, command, environment, run


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


@pytest.mark.parametrize("task", ["quickstart/reviews", "quickstart/conversations"])
def test_parts_put_together_are_prompt_and_target(store: Path, task: str) -> None:
    """In the JSON report every letter belongs to a part of a known kind."""
    done = run("preview", "quickstart", "--task", task, "-n", 60, "--store", store, "--json")

    kinds = set()
    for example in json.loads(done.stdout)["examples"]:
        parts = example["parts"]
        assert parts["told_apart"]
        assert "".join(p["text"] for p in parts["prompt"]) == example["inputs"]
        assert "".join(p["text"] for p in parts["target"]) == example["targets"]
        assert {p["exemplar"] for p in parts["prompt"]} - {0} == {
            *range(1, example["num_exemplars"] + 1)
        }
        kinds |= {p["kind"] for p in parts["prompt"]}
    assert kinds <= set(PART_KINDS)
    assert {"exemplar", "exemplar_target", "query", "label", "separator"} <= kinds


def test_a_heading_says_what_is_shown(store: Path) -> None:
    """Template, variant, direction and style stand on one line above each example."""
    arguments = ["preview", "quickstart", "--task", "quickstart/sums", "-n", 8, "--store", store]
    examples = json.loads(run(*arguments, "--json").stdout)["examples"]

    shown = run(*arguments).stdout

    headings = [line for line in shown.splitlines() if line.startswith("===")]
    assert headings == [
        f"=== draw {e['draw']}  {e['variant']}  template {e['template']}  {e['direction']}"
        + (f"  {e['style']}" if e["style"] else "")
        for e in examples
    ]
    assert {e["direction"] for e in examples} == {"direct", "inverted"}


def test_marks_tell_parts_apart_where_there_is_no_colour(tmp_path: Path) -> None:
    """Headings, and marks around labels and options: nothing depends on colour."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", tmp_path],
        *["--row", 0, "--template", "positive_or_negative", "--variant", "fs_opt"],
    )

    assert "\x1b" not in done.stdout
    assert "marks: ⟨label⟩  ⟦options⟧" in done.stdout
    for heading in ("prompt, exemplar 1 of 1\n", "prompt, separator  ", "prompt, query\n"):
        assert heading in done.stdout
    query = done.stdout.split("prompt, query\n")[1].split("\ntarget\n")[0]
    assert query.count("⟦") == query.count("⟧") == 1
    assert query.index("Is this review positive or negative?") < query.index("⟦")


@pytest.mark.parametrize(
    ("option", "settings", "coloured"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        ([], {"TERM": "dumb"}, False),
        (["--color", "never"], {}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal_shows_colours_unless_the_user_says_no(
    tmp_path: Path, option: list[str], settings: dict[str, str], coloured: bool
) -> None:
    """NO_COLOR and a dumb terminal are respected; --color has the last word."""
    shown = in_terminal(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", str(tmp_path)],
        *["-n", "4", *option],
        settings={"TERM": "xterm", "NO_COLOR": "", **settings},
    )

    assert ("\x1b[" in shown) == coloured
    assert ("⟨" in shown) == (not coloured)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "prompt, query" in plain


def in_terminal(*arguments: str, settings: dict[str, str]) -> str:
    """What the command shows in a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*arguments),
        env={**environment(), "PYTHONIOENCODING": "utf-8", **settings},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        # A terminal whose program has ended gives an error, not an empty text.
        with suppress(OSError):
            while letters := os.read(ours, 65536):
                shown += letters
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode("utf-8")


def test_colours_add_nothing_to_the_text(store: Path) -> None:
    """Without its colours, a coloured report differs from the plain one in its marks only."""
    arguments = ["preview", "quickstart", "--task", "quickstart/sums", "-n", 12, "--store", store]

    coloured = run(*arguments, "--color", "always").stdout
    plain = run(*arguments, "--color", "never").stdout

    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()
    unmarked = re.sub("[⟨⟩⟦⟧]", "", plain).splitlines()
    different = [(a, b) for a, b in zip(bare, unmarked, strict=True) if a.rstrip() != b.rstrip()]
    assert [b for _, b in different] == ["marks: label  options"]


def test_several_variants_can_be_asked_for(store: Path) -> None:
    """--variant may be given several times; draws of all of them are shown, in their order."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", store],
        *["--variant", "zs_noopt", "--variant", "fs_opt", "-n", 10, "--json"],
    )

    examples = json.loads(done.stdout)["examples"]
    assert {e["variant"] for e in examples} == {"zs_noopt", "fs_opt"}
    assert [e["draw"] for e in examples] == sorted(e["draw"] for e in examples)
    assert len(examples) == 10


def test_one_template_can_be_asked_for(mixture: Path, store: Path) -> None:
    """--template shows the first draws that are said with it: those of the mixture."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", store],
        *["--template", "classify_command", "-n", 5, "--json"],
    )

    examples = json.loads(done.stdout)["examples"]
    built = records_of(mixture, "quickstart/reviews")
    expected = [d for d, r in sorted(built.items()) if r["template_id"] == "classify_command"]
    assert [e["draw"] for e in examples] == expected[:5]
    assert all(e["inputs"] == built[e["draw"]]["inputs"] for e in examples)


def test_a_template_that_is_not_there_is_wrong_usage(store: Path) -> None:
    """The nearest name is shown."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", store],
        *["--template", "clasify_command"],
    )

    assert done.exit_code == 2
    assert "Did you mean 'classify_command'?" in done.stderr


def test_a_template_that_the_recipe_never_draws_can_be_seen_all_the_same(
    workspace: Workspace,
) -> None:
    """It is no example of the mixture, which is said; with --row it is shown."""
    back = {"id": "back", "input": "{{ answer }}?", "target": "{{ question }}"}
    workspace.template_file("tiny/questions", [PLAIN, {**back, "direction": "inverted"}])
    workspace.write_recipe(inversion_rate=0)
    arguments = ["preview", workspace.recipe, "--task", "tiny/sums", *workspace.options]

    refused = run(*arguments, "--template", "back")
    shown = run(*arguments, "--template", "back", "--row", 0, "--variant", "zs_noopt", "--json")

    assert refused.exit_code == 2
    assert "Add --row 0" in refused.stderr
    (example,) = json.loads(shown.stdout)["examples"]
    assert (example["inputs"], example["direction"], example["draw"]) == ("two?", "inverted", None)


def test_one_row_is_shown_in_all_templates(store: Path) -> None:
    """--row shows a row, by number or identity, once in each variant of each template."""
    arguments = ["preview", "quickstart", "--task", "quickstart/sums", "--store", store]

    by_number = json.loads(run(*arguments, "--row", 3, "--json").stdout)["examples"]
    identity = by_number[0]["row_id"]
    by_identity = json.loads(run(*arguments, "--row", identity, "--json").stdout)["examples"]

    assert by_identity == by_number
    assert {e["row_id"] for e in by_number} == {identity}
    cells = [(e["template"], e["variant"]) for e in by_number]
    assert len(set(cells)) == len(cells)
    listed = json.loads(run("templates", "show", "quickstart/sums", "--json").stdout)["templates"]
    assert {template for template, _ in cells} == {t["id"] for t in listed}
    assert {variant for _, variant in cells} == {"zs_noopt", "fs_noopt"}
    assert by_number[0]["place"].startswith("data/")


def test_a_row_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """The message says which there are."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/sums", "--store", tmp_path, "--row", 2]
    )

    assert done.exit_code == 2
    assert "expected one of sample records 0, 1" in done.stderr


def test_a_sample_record_stands_beside_its_row(workspace: Workspace) -> None:
    """Numbers of rows are those of sample records, and each is shown as the card has it."""
    sample = [
        {"question": "One?", "answer": "no"},
        {"question": " Two? ", "answer": "2", "note": [1]},
    ]
    workspace.task(
        "sums", None, sample=sample, fields={"question": "question | trim", "answer": "answer"}
    )
    arguments = ["preview", workspace.recipe, "--task", "tiny/sums", *workspace.options]

    shown = run(*arguments, "--row", 1).stdout
    examples = json.loads(run(*arguments, "--row", 1, "--json").stdout)["examples"]

    assert all(e["record"] == sample[1] and e["number"] == 1 for e in examples)
    assert examples[0]["row"] == {"question": "Two?", "answer": "2"}
    assert shown.count("sample[1], as read\n") == 1
    assert shown.index("note      - 1") < shown.index("\nrow\n")


def test_letters_that_command_a_terminal_are_shown_as_escapes(workspace: Workspace) -> None:
    """A stranger's row cannot colour, clear or retitle a reader's terminal."""
    sample = [{"question": "\x1b[2J\x1b]0;owned\x07?", "answer": "a\x9b31m"}]
    workspace.task("sums", None, sample=sample)

    done = run("preview", workspace.recipe, "--task", "tiny/sums", *workspace.options)

    assert done.exit_code == 0, done.output
    assert not set(done.stdout) & set("\x1b\x07\x9b")
    assert "\\x1b[2J\\x1b]0;owned\\x07?" in done.stdout


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
