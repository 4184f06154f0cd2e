"""`cards new`: a first card for a source that nobody has described."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mixture_builder.card_files import load_card_file
from mixture_builder.errors import SourceError
from mixture_builder.jinja_compiler import compile_expression
from mixture_builder.jobs.draft import draft_card
from mixture_builder.jobs.draft.columns import field_name, reference
from mixture_builder.jobs.draft.guess import guess_fields, rows_of
from tests.cli.helpers import Workspace, command, environment, run
from tests.hub_server import COMMIT, hub_with
from tests.web_server import Page, served

RECORDS = [
    {"question": "What is 1 and 1?", "answer": "2"},
    {"question": "What is 2, and 2?", "answer": "4"},
    {"question": "What is 3 and 3?", "answer": "6"},
]


def lines(*texts: str) -> bytes:
    """A text file."""
    return "".join(f"{text}\n" for text in texts).encode()


def parquet(records: list[dict[str, Any]]) -> bytes:
    """A Parquet file."""
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.Table.from_pylist(records), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


JSONL = lines(*map(json.dumps, RECORDS))
CSV = lines("question,answer", "What is 1 and 1?,2", '"What is 2, and 2?",4', "What is 3 and 3?,6")
TSV = lines("question\tanswer", "What is 1 and 1?\t2", "What is 2, and 2?\t4", "What is 3?\t6")
FORMATS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "jsonl": (JSONL, {"format": "jsonl"}),
    "jsonl, packed": (gzip.compress(JSONL), {"format": "jsonl"}),
    "json, a list": (json.dumps(RECORDS).encode(), {"format": "json"}),
    "json, a list in it": (
        json.dumps({"about": {"of": RECORDS}, "v": 1}, indent=1).encode(),
        {"format": "json", "records": "about.of"},
    ),
    "json, a mapping": (
        json.dumps({f"id{n}": record for n, record in enumerate(RECORDS)}, indent=1).encode(),
        {"format": "json", "records": "*"},
    ),
    "csv": (CSV, {"format": "csv"}),
    "csv, Windows": (CSV.replace(b"\n", b"\r\n"), {"format": "csv"}),
    "csv, other mark": (
        lines("question;answer", "What is 1?;1", '"One; or two?";2', "Three?;3"),
        {"format": "csv", "delimiter": ";"},
    ),
    "tsv": (TSV, {"format": "tsv"}),
    "tsv, quoted": (
        lines("question\tanswer", '"What is 1?"\t2', "What?\t2", "Why?\t3"),
        {"format": "tsv", "quoting": True},
    ),
    "parquet": (parquet(RECORDS), {"format": "parquet"}),
}


def new(source: object, *options: object) -> dict[str, Any]:
    """The report of `cards new`, and the card as plain data."""
    done = run("cards", "new", "--from", source, *options, "--json")
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "card": yaml.safe_load(report["text"])}


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_told_by_the_bytes(name: str, tmp_path: Path) -> None:
    """Whatever the file is called, its records are found, and its question and answer."""
    content, expected = FORMATS[name]
    path = tmp_path / "museum" / "data" / "unnamed"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    made = new(path, "--out", tmp_path / "museum" / "sums.yaml")
    (card,), findings = load_card_file(tmp_path / "museum" / "sums.yaml", shown_as="sums.yaml")

    source = made["card"]["source"]
    assert findings == []
    assert (card.id, made["records"], made["rows"]) == ("museum/sums", 3, 3)
    assert made["card"]["size"]["rows"] == 3
    assert source.pop("revision").startswith("sha256-")
    assert source == {"files": ["data/unnamed"], "split": "train", **expected}
    assert made["card"]["fields"] == {"question": "question", "answer": "answer"}
    assert made["card"]["kind"] == "open_qa"
    assert made["card"]["licence"] == {"id": "unknown"}
    assert len(made["card"]["sample"]) == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            lines("What is 1?\t1", "What is 2?\t2"),
            {"format": "tsv", "header": False, "columns": ["column_1", "column_2"]},
        ),
        (lines("One line, and", "another one."), {"format": "text", "columns": ["text"]}),
        (
            lines('["What is 1?", "1"]', '["What is 2?", "2"]'),
            {"format": "jsonl", "columns": ["column_1", "column_2"]},
        ),
        ("frage;antwort\nWie heißt sie?;Zoë\n".encode("cp1252"), {"encoding": "cp1252"}),
    ],
)
def test_what_the_bytes_do_not_say_gets_a_name_of_ours(
    content: bytes, expected: dict[str, Any], tmp_path: Path
) -> None:
    """Columns without names are numbered, lines that are no table are texts."""
    (tmp_path / "file").write_bytes(content)

    source = new(tmp_path / "file", "--out", tmp_path / "a.yaml", "--id", "own/a")["card"]["source"]

    assert {key: source.get(key) for key in expected} == expected


def fields_of(
    records: list[dict[str, Any]], **labels: tuple[str, ...]
) -> tuple[dict[str, str], str]:
    """Guessed fields and kind; every record must give a row."""
    guess = guess_fields(records, labels=labels)
    assert guess.rows == len(records) == len(rows_of(records, guess))
    return {field.name: field.expression for field in guess.fields}, guess.kind


ARC = {"text": ["x", "y"], "label": ["A", "B"]}
SQUAD = {"text": ["a loom"], "start": [0]}
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("records", "fields", "kind"),
    [
        (
            [{"id": "q1", "query": "Why?", "choices": ["a", "b"], "label": 1}] * 2,
            {"question": "query", "options": "choices", "answer_index": "label | int"},
            "multiple_choice",
        ),
        (
            [{"question": "Why?", "choices": ARC, "answerKey": "B"}],
            {
                "question": "question",
                "options": "choices['text']",
                "answer_index": "(choices['label'] | join).index(answerKey)",
            },
            "multiple_choice",
        ),
        (
            [{"premise": "It rains.", "choice1": "a", "choice2": "b", "answer": n} for n in "12"],
            {
                "premise": "premise",
                "options": "[choice1, choice2]",
                "answer_index": "(answer | int) - 1",
            },
            "multiple_choice",
        ),
        (
            [{"text": f"{n}", "Gold Label": label} for n, label in enumerate(["it's", "no"] * 3)],
            {
                "text": "text",
                "options": "['it\\'s', 'no']",
                "answer_index": "{'it\\'s': 0, 'no': 1}[record['Gold Label']]",
            },
            "classification",
        ),
        (
            [{"claim": "Snow is warm.", "label": flag} for flag in (True, False)],
            {"claim": "claim", "options": "['no', 'yes']", "answer_index": "1 if label else 0"},
            "classification",
        ),
        (
            [{"context": "A loom.", "question": "What?", "answers": SQUAD}],
            {"passage": "context", "question": "question", "answers": "answers['text']"},
            "extractive_qa",
        ),
        (
            [{"translation": {"en": "snow", "pt-BR": "neve"}}],
            {"source_text": "translation['en']", "translation": "translation['pt-BR']"},
            "translation",
        ),
        (
            [{"messages": CHAT}],
            {
                "turns": "(messages | map(attribute='content') | list)[:-1]",
                "response": "(messages | map(attribute='content') | list)[-1]",
            },
            "dialog",
        ),
        (
            [{"problem": "1 + 1", "explanation": "One more.", "solution": 2}],
            {"question": "problem", "rationale": "explanation", "answer": "solution"},
            "reasoning",
        ),
        (
            [{"article": "Long.", "highlights": "Short.", "url": "https://example.org"}],
            {"passage": "article", "highlights": "highlights"},
            "summarization",
        ),
        (
            [{"question": {"stem": "Why?", "note": "n"}, "answer": "So."}],
            {"question": "question['stem']", "note": "question['note']", "answer": "answer"},
            "open_qa",
        ),
    ],
)
def test_fields_are_guessed_from_names_and_values(
    records: list[dict[str, Any]], fields: dict[str, str], kind: str
) -> None:
    """Columns become canonical fields where name and content say so; ids and addresses do not."""
    assert fields_of(records) == (fields, kind)


def test_the_right_option_is_found_by_its_text() -> None:
    """An answer that repeats an option word for word gives the option's place."""
    records = [
        {"question": "Why?", "options": ["a, b", "b", "c"], "answer": right}
        for right in ("c", "a, b", "b")
    ]
    guess = guess_fields(records, labels={})
    index = next(f.expression for f in guess.fields if f.name == "answer_index")

    assert [compile_expression(index)(record) for record in records] == [2, 0, 1]


def test_numbers_for_labels_get_their_names_from_the_source_or_from_the_author() -> None:
    """The Hub names labels; of a plain file only the author knows what 0 means."""
    records = [{"text": str(n), "label": n % 2} for n in range(4)]

    named, _ = fields_of(records, label=("bad", "good"))
    unnamed, _ = fields_of(records)

    assert named["options"] == "['bad', 'good']"
    assert unnamed["options"] == "['FILL IN: what 0 means', 'FILL IN: what 1 means']"


def test_a_guess_that_gives_no_rows_gives_way_to_a_plainer_one() -> None:
    """Names may deceive: an `answer` that is none of the options is a text of its own."""
    records = [{"question": f"{n}?", "options": ["a", "b"], "answer": f"not {n}"} for n in range(4)]

    assert fields_of(records)[0] == {"question": "question", "answer": "answer"}


VALUES = st.one_of(
    st.text(max_size=8), st.integers(-3, 9), st.none(), st.lists(st.text(max_size=3))
)
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: "\ud800" not in name)


@given(NAMES)
def test_a_column_of_any_name_can_be_referred_to(name: str) -> None:
    """Quotes, line ends, words of Jinja and letters of all scripts are allowed in names."""
    assert compile_expression(reference(name))({name: "found"}) == "found"
    assert field_name(name).isidentifier()


@example([{"question": "0\x85", "answer": "a\n b\u2028 \n"}])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["question", "label", "it's: #1", "answer", "on"]),
            VALUES,
            min_size=1,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_the_records_hold_the_card_is_one(tmp_path_factory: Any, records: Any) -> None:
    """The text is YAML that the schema takes, and its samples are what the source holds."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "r.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in records), encoding="utf-8"
    )
    try:
        made = draft_card(str(folder / "r.jsonl"), task="own/r", folder=folder)
    except SourceError as problem:
        # Records without any value look like no record.
        assert "found no record" in str(problem)  # noqa: PT017
        return
    (folder / "card.yaml").write_text(made.text, encoding="utf-8")
    cards, findings = load_card_file(folder / "card.yaml", shown_as="card.yaml")

    assert findings == []
    assert all(dict(sample) in records for sample in cards[0].sample)


def test_an_address_is_named_as_it_is_and_not_read_to_its_end(tmp_path: Path) -> None:
    """A card may name web addresses; the commit in one pins it, else the author has to."""
    pinned = f"/{'0123456789' * 4}/a.jsonl"
    pages = {pinned: Page(body=JSONL * 1000), "/a.jsonl": Page(body=JSONL)}
    with served(pages) as server:
        one = new(server.url + pinned, "--id", "own/a")
        other = new(f"{server.url}/a.jsonl", "--id", "own/a")

    source = one["card"]["source"]
    assert source["files"] == [server.url + pinned]
    assert source["revision"] == "0123456789" * 4
    assert one["card"]["size"] == {"rows": None}
    assert other["card"]["size"]["rows"] == 3
    assert other["card"]["source"]["revision"].startswith("FILL IN")
    assert "source.revision" in other["fill_in"]


def test_long_texts_are_cut_in_samples(tmp_path: Path) -> None:
    """A card shows what records look like; it is no copy of the data."""
    (tmp_path / "a.jsonl").write_bytes(lines(json.dumps({"text": "x" * 5_000, "answer": "y"})))

    (sample,) = new(tmp_path / "a.jsonl", "--id", "own/a")["card"]["sample"]

    assert sample == {"text": "x" * 197 + "...", "answer": "y"}


def test_a_file_elsewhere_has_to_be_copied_beside_the_card(tmp_path: Path) -> None:
    """Cards name files in their own folder only; the message says what to copy where."""
    (tmp_path / "a.jsonl").write_bytes(JSONL)

    made = run("cards", "new", "--from", tmp_path / "a.jsonl", "--out", tmp_path / "my/own.yaml")

    assert made.exit_code == 0, made.output
    assert "files: [data/a.jsonl]" in (tmp_path / "my/own.yaml").read_text(encoding="utf-8")
    assert f"copy {tmp_path}/a.jsonl to {tmp_path}/my/data/a.jsonl" in made.stderr
    for part in ("3 of the 3 records", "fill in: title, description, category, languages, licence"):
        assert part in made.stderr


def test_without_out_the_card_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card alone stands on stdout, what to do next on stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(JSONL)

    done = run("cards", "new", "--from", "a.jsonl", "--id", "own/a")

    assert yaml.safe_load(done.stdout)["id"] == "own/a"
    assert "cards check" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found an empty file"),
        (b"<!doctype html><html></html>", "found a web page in place of the data"),
        (b"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer"),
        (b"PK\x03\x04....", "Name the member: zip://<member>::<this file>"),
        (b"<?xml version='1.0'?><a/>", "found XML"),
        (b'{"a": [1, 2', "found no JSON"),
        (b"[]", "found no record"),
    ],
)
def test_what_cannot_be_described_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    """The message says what stands there, and nothing is written."""
    (tmp_path / "file").write_bytes(content)

    done = run("cards", "new", "--from", tmp_path / "file", "--out", tmp_path / "a.yaml")

    assert done.exit_code == 1
    assert said in done.stderr
    assert str(tmp_path / "file") in done.stderr or "found no record" in done.stderr
    assert not (tmp_path / "a.yaml").exists()


def test_wrong_usage_is_said_before_anything_is_read(tmp_path: Path) -> None:
    """No card is written over, and names are checked."""
    (tmp_path / "a.jsonl").write_bytes(JSONL)
    (tmp_path / "there.yaml").write_text("mine", encoding="utf-8")

    def said(*options: object) -> str:
        done = run("cards", "new", *options)
        assert done.exit_code == 2
        return done.stderr

    source = ["--from", tmp_path / "a.jsonl"]
    assert "is there already" in said(*source, "--out", tmp_path / "there.yaml")
    assert (tmp_path / "there.yaml").read_text(encoding="utf-8") == "mine"
    assert "expected .yaml" in said(*source, "--out", tmp_path / "a.json")
    assert "expected <submixture>/<name>" in said(*source, "--id", "Own Card")
    assert "found no such file" in said("--from", tmp_path / "absent.jsonl")
    assert "found a folder" in said("--from", tmp_path)


def test_what_is_not_filled_in_is_an_error_of_the_check(workspace: Workspace) -> None:
    """A first card passes all checks but those for what only its author knows."""
    data = workspace.cards / "tiny" / "data" / "more.jsonl"
    data.write_bytes(JSONL)
    out = workspace.cards / "tiny" / "more.yaml"
    new(data, "--out", out)

    before = run("cards", "check", out, "--templates", workspace.templates, "--json")
    text = out.read_text(encoding="utf-8").replace("FILL IN: ", "").replace("[und]", "[en]")
    out.write_text(
        text.replace("templates: tiny/more", "templates: tiny/questions"), encoding="utf-8"
    )
    after = run("cards", "check", out, "--templates", workspace.templates, "--json")

    findings = json.loads(before.stdout)["findings"]
    assert before.exit_code == 1
    assert sorted(f["place"] for f in findings) == [
        "tiny/more: category",
        "tiny/more: description",
        "tiny/more: templates",
        "tiny/more: title",
    ]
    assert (after.exit_code, json.loads(after.stdout)["findings"]) == (0, [])


@pytest.mark.slow
def test_a_dataset_of_the_hub_is_described_as_the_hub_does(tmp_path: Path) -> None:
    """Names of labels, size and today's commit come from the Hub; its records are streamed."""
    metadata = {
        "dataset_info": {
            "features": [
                {"name": "text", "dtype": "string"},
                {"name": "label", "dtype": {"class_label": {"names": {"0": "bad", "1": "good"}}}},
            ],
            "splits": [{"name": "train", "num_bytes": 60, "num_examples": 3}],
        }
    }
    records = [{"text": text, "label": n % 2} for n, text in enumerate(["Dull.", "Nice.", "Bad."])]
    files = {
        "README.md": f"---\n{yaml.safe_dump(metadata)}---\n".encode(),
        "train.jsonl": lines(*map(json.dumps, records)),
    }
    with hub_with("owner/reviews", files) as endpoint:
        settings = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
        done = subprocess.run(
            command("cards", "new", "--from", "owner/reviews", "--id", "own/reviews"),
            env={**environment(), **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    card = yaml.safe_load(done.stdout)
    assert card["source"] == {
        "kind": "hub",
        "dataset": "owner/reviews",
        "split": "train",
        "revision": COMMIT,
    }
    assert card["fields"] == {
        "text": "text",
        "options": "['bad', 'good']",
        "answer_index": "label",
    }
    assert card["size"]["rows"] == 3
    assert card["sample"] == records[:2]
