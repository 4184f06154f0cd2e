"""`templates import promptsource`: from a file of theirs to examples of a mixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.helpers import Workspace, run

THEIRS = """\
dataset: demo
subset: questions
templates:
  k1: !Template
    answer_choices: '{{ options.text | join("|||") }}'
    id: k1
    jinja: '{{ ["Tell me", "Say"] | choice }}: {{question}} Is it
      {{ answer_choices | join(" or ") }}?
      |||

      {% if answerKey != "" %}{{ answer_choices[options.label.index(answerKey)] }}{% endif %}'
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages:
      - en
      metrics:
      - Accuracy
      original_task: true
    name: Tell me
    reference: ''
"""
LEFT_OUT = """\
  k2: !Template
    answer_choices: null
    id: k2
    jinja: '{{ question | tojson }} ||| {{ answerKey }}'
    metadata: !TemplateMetadata {}
    name: As JSON
    reference: ''
"""
RECORDS: list[dict[str, Any]] = [
    {
        "question": f"What follows {n}?",
        "options": {"text": [f" {n + 1}", str(n - 1)], "label": ["A", "B"]},
        "answerKey": "AB"[n % 2],
    }
    for n in range(12)
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "theirs" / "demo" / "questions" / "templates.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(THEIRS, encoding="utf-8")
    return path


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in RECORDS), encoding="utf-8")
    return path


def test_an_imported_file_makes_a_mixture(tmp_path, source, records):
    """Import, fill in the card, build: each example is what promptsource's template says."""
    space = Workspace(tmp_path)
    done = run(
        *("templates", "import", "promptsource", source, "--out", space.templates),
        *("--cards", space.cards, "--check", records),
    )
    assert done.exit_code == 0, done.output
    assert "compared: 12 equal, 0 without a pair on both sides, 0 different" in done.output

    stub = space.cards / "promptsource" / "demo_questions.yaml"
    missing = run("cards", "check", *space.folders)
    assert missing.exit_code == 1
    assert "'revision' is missing" in missing.output
    assert "'sample' is missing" in missing.output

    card = yaml.safe_load(stub.read_text(encoding="utf-8"))
    card["source"] = {"files": ["data/records.jsonl"], "format": "jsonl", "split": "train"}
    card["source"]["revision"] = "1"
    card["sample"] = RECORDS[:1]
    space.write(stub, card)
    (stub.parent / "data").mkdir()
    records.rename(stub.parent / "data" / "records.jsonl")
    assert run("cards", "check", *space.folders).exit_code == 0

    space.write_recipe(submixtures={"all": {"rate": 1, "tasks": ["promptsource/*"]}})
    built = run("build", space.recipe, *space.options, "--out", space.out, "--format", "jsonl")
    assert built.exit_code == 0, built.output
    (shard,) = (space.out / "data").iterdir()
    examples = [json.loads(line) for line in shard.read_text(encoding="utf-8").splitlines()]
    zero_shot = [e for e in examples if e["num_exemplars"] == 0]
    expected = {
        (f"{lead}: {r['question']} Is it {options[0]} or {options[1]}?", options["AB".index(key)])
        for r in RECORDS
        for options in [[text.strip() for text in r["options"]["text"]]]
        for key in [r["answerKey"]]
        for lead in ["Tell me", "Say"]
    }
    assert zero_shot
    assert {(e["inputs"], e["targets"]) for e in zero_shot} <= expected


def test_a_folder_is_imported_and_one_dataset_of_it(tmp_path, source):
    """All templates.yaml of a folder, or those that --dataset names."""
    folder = source.parents[2]
    other = folder / "other" / "templates.yaml"
    other.parent.mkdir()
    other.write_text(THEIRS.replace("dataset: demo\nsubset: questions", "dataset: other"))
    every = run("templates", "import", "promptsource", folder, "--out", tmp_path / "a", "--json")
    one = run(
        *("templates", "import", "promptsource", folder, "--out", tmp_path / "b"),
        *("--dataset", "demo/questions", "--json"),
    )

    assert [f["dataset"] for f in json.loads(every.output)["files"]] == ["demo/questions", "other"]
    (told,) = json.loads(one.output)["files"]
    assert told["templates"] == ["tell_me"]
    assert told["fields"] == {
        "answer_key": "answerKey",
        "column_options": "options",
        "question": "question",
    }
    assert [p.name for p in (tmp_path / "b" / "promptsource").iterdir()] == ["demo_questions.yaml"]


def test_what_is_left_out_is_named(tmp_path, source):
    """Exit code 3: some templates were imported, the others have their reasons."""
    source.write_text(THEIRS + LEFT_OUT, encoding="utf-8")
    done = run("templates", "import", "promptsource", source, "--out", tmp_path / "out")

    assert done.exit_code == 3
    assert "warning  As JSON  is left out: found the filter 'tojson'." in done.output
    assert "wrote 1 template file" in done.output


def test_differences_are_shown(tmp_path, source, records):
    """Exit code 1: --check found a record for which the texts differ, and shows both."""
    text = THEIRS.replace("{{question}}", "{{question}}{{ nothing }}")
    source.write_text(text, encoding="utf-8")
    done = run(
        *("templates", "import", "promptsource", source, "--out", tmp_path / "out"),
        *("--check", records),
    )

    assert done.exit_code == 1
    assert "record 0: promptsource gives" in done.output
    assert "ours gives" in done.output
    assert "compared: 0 equal, 0 without a pair on both sides, 12 different" in done.output


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path, source):
    """The same content is fine; other content needs --force."""
    command = ["templates", "import", "promptsource", source, "--out", tmp_path / "out"]
    file = tmp_path / "out" / "promptsource" / "demo_questions.yaml"
    assert run(*command).exit_code == 0
    assert run(*command).exit_code == 0
    file.write_text("mine", encoding="utf-8")
    refused = run(*command)

    assert refused.exit_code == 2
    assert "holds something else" in refused.output
    assert file.read_text(encoding="utf-8") == "mine"
    assert run(*command, "--force").exit_code == 0
    assert file.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize(
    ("name", "further", "code", "message"),
    [
        ("missing.yaml", (), 2, "found no such file or folder"),
        ("ftp://example.org/templates.yaml", (), 2, "found no such address"),
        ("empty", (), 2, "found no templates.yaml in it"),
        ("theirs", ("--dataset", "demo/question"), 2, "Did you mean 'demo/questions'?"),
        ("bad.yaml", (), 1, "could not determine a constructor"),
        ("theirs", ("--check", "bad.yaml"), 1, "line 1: found no JSON object"),
    ],
)
def test_mistakes_are_named(tmp_path, monkeypatch, source, name, further, code, message):
    """What cannot be imported says why, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("!!python/name:os.system", encoding="utf-8")
    done = run("templates", "import", "promptsource", name, "--out", "out", *further)

    assert done.exit_code == code
    assert message in done.output
    assert not (tmp_path / "out").exists()
