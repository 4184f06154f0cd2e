"""`ingest`: every record of a source is a row, a copy, filtered or in quarantine."""

from __future__ import annotations

import json

from tests.cli.helpers import QUESTIONS, Workspace, run


def test_the_summary_accounts_for_every_record(workspace: Workspace) -> None:
    """Nothing is dropped without a reason and a count."""
    records = [*QUESTIONS, QUESTIONS[0], {"question": "What?", "answer": ""}]
    records += [{"question": "skip this", "answer": "1"}, {"answer": "no question"}]
    workspace.task("sums", records, keep="question != 'skip this'")

    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json")

    assert done.exit_code == 0, done.output
    task = json.loads(done.stdout)["tasks"]["tiny/sums"]
    assert (task["records"], task["rows"]) == (12, 8)
    assert (task["filtered"], task["duplicates"]) == (1, 1)
    assert sum(task["quarantined"].values()) == 2
    assert task["quarantined"]["missing_field"] == 1


def test_spellings_that_are_one_in_the_cards_unicode_form_are_copies(workspace: Workspace) -> None:
    """A card with `normalise` stores one row for two ways to write a letter; without, two."""
    records = [
        {"question": f"Where is the caf{e}?", "answer": "here"} for e in ("\u00e9", "e\u0301")
    ]
    ingest = ["ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json"]

    workspace.task("sums", records)
    as_it_is = json.loads(run(*ingest).stdout)["tasks"]["tiny/sums"]
    workspace.task("sums", records, normalise="NFC")
    normalised = json.loads(run(*ingest).stdout)["tasks"]["tiny/sums"]

    assert (as_it_is["rows"], as_it_is["duplicates"]) == (2, 0)
    assert (normalised["rows"], normalised["duplicates"]) == (1, 1)


def test_people_get_a_table(workspace: Workspace) -> None:
    """Without --json there is a line for each task and one for all."""
    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0)

    header, row, summary = done.stdout.splitlines()
    assert header.split() == ["task", "rows", "records", "filtered", "duplicates", "quarantined"]
    assert row.split() == ["tiny/sums", "8", "8", "0", "0", "0"]
    assert summary == f"tiny: 8 rows of 1 task in {workspace.store}"


def test_what_is_stored_is_not_read_again(workspace: Workspace) -> None:
    """A second ingest of unchanged files skips them; a changed file is read anew."""
    ingest = ["ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json"]
    run(*ingest)

    again = json.loads(run(*ingest).stdout)
    workspace.task("sums", QUESTIONS[:5])
    changed = json.loads(run(*ingest).stdout)

    assert again["already_stored"] == 1
    assert changed["already_stored"] == 0
    assert changed["rows"] == 5


def test_a_mirror_stands_in_for_upstream(workspace: Workspace) -> None:
    """With --mirror, a web address is read from the user's copy."""
    source = {
        "kind": "files",
        "files": ["https://example.org/data/sums.jsonl"],
        "format": "jsonl",
        "split": "train",
        "revision": "1",
    }
    workspace.task("sums", QUESTIONS, source=source)
    mirror = workspace.folder / "mirror.yaml"
    workspace.write(mirror, {"sources": {"https://example.org/data/": "cards/tiny/data/"}})

    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--mirror", mirror)

    assert done.exit_code == 0, done.output
    assert "8 rows" in done.stdout


def test_the_log_is_one_json_object_a_line(workspace: Workspace) -> None:
    """Batch systems read what happens from stderr; bars are for terminals only."""
    workspace.task("lost", None)

    done = run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--log-json")

    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [e["event"] for e in events] == ["ingest_started", "task", "left_out", "ingested"]
    assert (events[1]["task"], events[1]["rows"]) == ("tiny/sums", 8)
    assert events[2]["task"] == "tiny/lost"
    assert all(isinstance(e["seconds"], float) for e in events)
