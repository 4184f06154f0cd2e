"""Real upstream files, where they are kept: each quirk met in them is read as it should be.

The files are not part of the repository. They are looked for in the folder that the
environment variable MIXTURE_BUILDER_SHARED names, else in `shared` beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, SourceRecord, read_source
from mixture_builder.sources import Beside, Source

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MIXTURE_BUILDER_SHARED", ROOT.parent / "shared")) / "data"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not DATA.is_dir(),
        reason="no upstream files here: set MIXTURE_BUILDER_SHARED to the folder that has data/",
    ),
]


def read(*files, **keys):
    """What a source over kept files yields."""
    source = Source(files=files, **keys)
    return list(read_source(source, base=str(DATA), mirror=Mirror.empty()))


def records(*files, **keys):
    """The records of kept files, none of which may be bad."""
    items = read(*files, **keys)
    assert all(isinstance(item, SourceRecord) for item in items)
    return [item.record for item in items]


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("cot/aqua/aqua_train.tsv", 2728),
        ("cot/ecqa/ecqa_train.tsv", 3000),
        ("cot/gsm8k/gsm8k_train.tsv", 3000),
        ("cot/qasc/qasc_train.tsv", 1084),
        ("cot/sensemaking/sensemaking_train.tsv", 3000),
        ("cot/strategyqa/strategyqa_train.tsv", 2061),
    ],
)
def test_the_cot_tables_of_flan(file, count):
    """Three columns, no header, no quoting, line breaks written as backslash and n."""
    columns = ("question", "answer", "rationale")

    assert len(records(file, format="tsv", header=False, columns=columns)) == count


def test_tables_with_unbalanced_quotes_are_not_csv():
    """The tables of mrpc and rte keep their quotes as characters."""
    mrpc = records("muffin/mrpc/*.txt", format="tsv", header=False, columns=tuple("abcde"))
    rte = records("muffin/rte/glue_*.tsv", format="tsv")

    assert len(mrpc) == 4076
    assert sum(value.count('"') % 2 for row in mrpc for value in row.values()) > 100
    assert {row["label"] for row in rte} == {"entailment", "not_entailment"}


def test_the_columns_of_a_table_may_change_by_split():
    """Each file goes by its own header."""
    rows = records("muffin/mnli/hf_sample/MNLI/*.tsv", format="tsv")

    assert sorted({len(row) for row in rows}) == [10, 12, 16]


def test_windows_text_is_read_with_its_encoding_only():
    """As UTF-8, the lines with other bytes are bad records; as Windows-1252 all are good."""
    pattern = r"\.(?P<label>pos|neg)$"
    good = records("t0_sf/rotten_tomatoes/*", format="text", encoding="cp1252", from_path=pattern)
    bad = [i for i in read("t0_sf/rotten_tomatoes/*", format="text") if isinstance(i, BadRecord)]

    assert (len(good), {row["label"] for row in good}) == (6000, {"pos", "neg"})
    assert (len(bad), {item.reason for item in bad}) == (113, {"bad_encoding"})


def test_blocks_of_five_lines_without_the_last_blank_one():
    """wsc273 has 273 of them."""
    columns = ("sentence", "pronoun", "candidates", "answer", "blank")
    rows = records("muffin/wsc273/wsc273.txt", format="text", lines_per_record=5, columns=columns)

    assert len(rows) == 273
    assert all(row["answer"].strip() and not row["blank"].strip() for row in rows)


def test_labels_in_a_file_beside():
    """In piqa and social_i_qa they meet by line, in cos_e by id."""
    piqa = "muffin/piqa/hf_sample/physicaliqa-train-dev"
    siqa = "t0_sf/social_i_qa"
    label = ("label",)
    rows = records(
        f"{piqa}/train.jsonl", beside=(Beside(files=(f"{piqa}/train-labels.lst",), columns=label),)
    )
    assert {row["label"] for row in rows} <= {"0", "1"}
    rows = records(
        f"{siqa}/dev.jsonl", beside=(Beside(files=(f"{siqa}/dev-labels.lst",), columns=label),)
    )
    assert {row["label"] for row in rows} == {"1", "2", "3"}

    cos_e = Beside(files=("t0_sf/cos_e/cose_train_v1.11.jsonl",), format="jsonl", by="id")
    items = read("t0_sf/cos_e/csqa_train_rand_split.jsonl", beside=(cos_e,))
    good = [item.record for item in items if isinstance(item, SourceRecord)]
    assert all("explanation" in row and "question" in row for row in good)
    assert len(good) == 947
    assert {i.reason for i in items if isinstance(i, BadRecord)} == {"no_partner"}


def test_labels_by_folder_and_file_name():
    """imdb_reviews has them nowhere else."""
    pattern = r"/(?P<label>pos|neg|unsup)/\d+_(?P<rating>\d+)\.txt$"
    rows = records("muffin/imdb_reviews/aclImdb/**/*_*.txt", format="document", from_path=pattern)

    assert len(rows) == 280
    assert {row["label"] for row in rows} == {"pos", "neg", "unsup"}


def test_nested_documents():
    """squad, dream, drop and multi-line exports give a record a question."""
    squad = records(
        "muffin/squad_v1/squad.json", format="json", records="data", explode=("paragraphs", "qas")
    )
    dream = records(
        "t0_sf/dream/*.json",
        format="json",
        columns=("turns", "questions", "id"),
        explode=("questions",),
    )
    drop = records("muffin/drop/drop.json", format="json", records="*", explode=("qa_pairs",))
    race = records("t0_sf/race/**/*.txt", format="json", records=".", explode=("questions",))

    assert all({"title", "context", "question", "answers"} <= row.keys() for row in squad)
    assert all(row["answer"] in row["choice"] for row in dream)
    assert len(dream) == 6787
    assert all(row["passage"] and row["key"] for row in drop)
    assert all(len(row["options"][row["questions_index"]]) == 4 for row in race)


def test_names_that_mislead():
    """A .json that is JSON Lines, a .tar that is gzip, a .txt that is JSON."""
    with pytest.raises(SourceError, match="Set `format: jsonl`"):
        records("cot/aqua/aqua_raw_test.json", format="json")
    assert len(records("cot/aqua/aqua_raw_test.json", format="jsonl")) == 254
    [novel] = records(
        "tar://**/*.txt::muffin/lambada/hf_sample/train-novels.tar", format="document"
    )
    assert novel["path"].startswith("tar://train-novels/Adventure/00.txt::")


def test_pickles_are_refused():
    """wiki_lingua is published as one."""
    with pytest.raises(SourceError, match="never loaded"):
        records("muffin/wiki_lingua_english_en/hf_sample/english.pkl", format="json")


def test_members_of_a_compressed_archive():
    """The questions of triviaqa and evidence lie in one .tgz."""
    archive = "muffin/trivia_qa/triviaqa-sample.tgz"
    questions = records(f"tar://qa/*-train.json::{archive}", format="json", records="Data")
    evidence = records(f"tar://evidence/**/*.txt::{archive}", format="document")

    assert (len(questions), len(evidence)) == (7, 19)


def test_the_csv_files_need_quoting():
    """Whole files with CRLF, commas and doubled quotes give no bad record."""
    assert len(records("muffin/e2e_nlg/*.csv", format="csv")) == 6630
    assert len(records("cot/ecqa/ecqa_rated_explanations.csv", format="csv")) == 750
    names = ("label", "title", "text")
    rows = records("t0_sf/amazon_polarity/**/t*.csv", format="csv", header=False, columns=names)
    assert {row["label"] for row in rows} == {"1", "2"}


def test_all_json_lines_are_read():
    """No file has a bad line, whatever odd line separators its strings hold."""
    tops = ("cot", "muffin", "t0_sf")
    files = [f"{top}/**/*.jsonl" for top in tops]
    paths = [path for top in tops for path in (DATA / top).rglob("*.jsonl")]
    expected = sum(bool(line.strip()) for path in paths for line in path.read_bytes().split(b"\n"))

    assert len(records(*files)) == expected


def test_xml_of_web_nlg():
    """One meaning, several texts: `lex` explodes to one record a text."""
    rows = records("muffin/web_nlg_en/*.xml", format="xml", xml_record="entry", explode=("lex",))

    assert all(row["modifiedtripleset"][0]["mtriple"][0]["text"].count(" | ") == 2 for row in rows)
    assert all(row["text"].strip() for row in rows)


def test_natural_instructions_tasks():
    """Outputs are lists everywhere, and odd characters in strings arrive unchanged."""
    rows = records("niv2/*/task*.json", format="natural_instructions")

    assert all(isinstance(row["output"], list) and row["output"] for row in rows)
    assert sum(row["input"].count("\ufeff") > 0 for row in rows) > 0
    assert sum("\u2028" in row["input"] or "\r" in row["input"] for row in rows) > 0
    assert len({row["id"].split("-")[0] for row in rows}) > 1000
