"""What upstream files do to a reader, and the test that holds each: a list that is itself tested.

The quirks were met in real files. Where a test of another module holds one, it is named in
`HELD_BY`; those that none held are below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixture_builder.canonical import RowMaker, RowProblem
from mixture_builder.card_files import load_card_file
from mixture_builder.cards import CardSource, Field
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import SourceRecord, read_source
from mixture_builder.shipped import cards_folder
from mixture_builder.sources import Source

TESTS = Path(__file__).parents[1]

HELD_BY = {
    "text that is not UTF-8, with an encoding that the card names": [
        "io/test_readers_formats.py::test_text_in_other_encodings",
        "io/test_readers_shared.py::test_windows_text_is_read_with_its_encoding_only",
        "bad_sources/line_not_utf8",
        "bad_sources/utf16_not_named",
    ],
    "lines that end in CRLF": ["io/test_quirks.py::test_line_ends_of_windows"],
    "no newline at the end": ["io/test_quirks.py::test_the_last_record_needs_no_newline"],
    "byte order marks inside strings": [
        "io/test_readers_formats.py::test_a_mark_at_the_start_of_a_file_is_dropped_and_no_other"
    ],
    "U+2028, U+2029, U+0085 and a bare CR inside strings": [
        "io/test_readers_formats.py::test_a_line_ends_at_a_newline_only",
        "io/test_readers_shared.py::test_all_json_lines_are_read",
    ],
    "control characters, marks of direction, texts that are not in NFC": [
        "io/test_quirks.py::test_odd_characters_arrive_unchanged"
    ],
    "names that end in .json, .tar or .txt and lie": [
        "io/test_readers_shared.py::test_names_that_mislead",
        "io/test_readers_files.py::test_compression_is_told_by_the_bytes",
        "bad_sources/json_is_lines",
        "bad_sources/jsonl_is_one_document",
    ],
    "Git LFS pointers": ["bad_sources/git_lfs_pointer"],
    "a pickle": ["bad_sources/pickle", "io/test_readers_shared.py::test_pickles_are_refused"],
    "tables without a header": ["io/test_readers_shared.py::test_the_cot_tables_of_flan"],
    "quotes that do not pair, in TSV": [
        "io/test_readers_formats.py::test_quotes_are_plain_in_tsv_and_quote_in_csv",
        "io/test_readers_shared.py::test_tables_with_unbalanced_quotes_are_not_csv",
    ],
    "CSV that does need its quotes": ["io/test_readers_shared.py::test_the_csv_files_need_quoting"],
    "columns that change by split": [
        "io/test_readers_shared.py::test_the_columns_of_a_table_may_change_by_split"
    ],
    "labels, or the other language, in another file by line or by id": [
        "io/test_readers_files.py::test_records_beside_meet_by_number",
        "io/test_readers_files.py::test_records_beside_may_meet_by_a_key",
        "io/test_readers_shared.py::test_labels_in_a_file_beside",
    ],
    "labels in the name of a folder or file": [
        "io/test_readers_files.py::test_groups_of_the_path_become_columns",
        "io/test_readers_shared.py::test_labels_by_folder_and_file_name",
    ],
    "labels for one idea as words, letters and numbers from 0 or 1": [
        "test_shipped_cards.py::test_samples_go_through_fields_templates_and_variants",
        "cli/test_real_sources.py::test_records_go_to_quarantine_for_known_reasons_only",
    ],
    "blocks of five lines": [
        "io/test_readers_formats.py::test_text_records_may_take_several_lines",
        "io/test_readers_shared.py::test_blocks_of_five_lines_without_the_last_blank_one",
    ],
    "records that are lists, and lists in records": [
        "io/test_readers_formats.py::test_json_lines_that_are_no_mappings_are_named",
        "io/test_readers_formats.py::test_exploded_records_see_their_parents",
        "io/test_readers_shared.py::test_nested_documents",
    ],
    "a whole number of 64 bits, less than 0": [
        "io/test_quirks.py::test_long_numbers_keep_their_digits"
    ],
    "XML with several texts an entry": [
        "io/test_readers_formats.py::test_xml_elements_become_mappings",
        "io/test_readers_shared.py::test_xml_of_web_nlg",
    ],
    "archives, compressed or not": [
        "io/test_readers_files.py::test_members_of_archives_are_read_one_after_another",
        "io/test_readers_shared.py::test_members_of_a_compressed_archive",
    ],
    "several right outputs, some empty or twice there": [
        "io/test_quirks.py::test_empty_outputs_are_no_answers"
    ],
    "names of tasks with hyphens and dots": [
        "test_shipped_cards.py::test_ids_and_names_are_those_of_the_task_list"
    ],
    "task files that are no tasks of Flan": [
        "cli/test_real_sources.py::test_every_kept_task_file_of_natural_instructions_is_read"
    ],
}
"""Quirk -> tests, below `tests/`: a function of a module, or a case in a folder."""


def test_each_quirk_is_held_by_a_test() -> None:
    """What is listed above is there."""
    for quirk, places in HELD_BY.items():
        assert places, quirk
        for place in places:
            file, _, name = place.partition("::")
            assert (TESTS / file).exists(), f"{quirk}: {place}"
            assert not name or f"def {name}(" in (TESTS / file).read_text("utf-8"), place


def read(folder: Path, content: str, **keys: Any) -> list[dict[str, Any]]:
    """The records of a file with this content; none may be bad."""
    (folder / "data").write_bytes(content.encode("utf-8"))
    source = Source(files=("data",), **keys)
    items = list(read_source(source, base=str(folder), mirror=Mirror.empty()))
    assert all(isinstance(item, SourceRecord) for item in items), items
    return [item.record for item in items if isinstance(item, SourceRecord)]


TWO_RECORDS = [
    ({"format": "jsonl"}, '{"a": "1"}\n{"a": "2"}\n'),
    ({"format": "json"}, '[\n {"a": "1"},\n {"a": "2"}\n]\n'),
    ({"format": "json", "records": "x"}, '{"x": [\n {"a": "1"}, {"a": "2"}]}\n'),
    ({"format": "csv"}, "a\n1\n2\n"),
    ({"format": "tsv"}, "a\n1\n2\n"),
    ({"format": "text", "columns": ("a",)}, "1\n2\n"),
    ({"format": "xml"}, '<all>\n<one a="1"/>\n<one a="2"/>\n</all>\n'),
]


@pytest.mark.parametrize(("keys", "content"), TWO_RECORDS)
def test_the_last_record_needs_no_newline(tmp_path: Path, keys: dict[str, Any], content: str):
    """A file that ends in the middle of its last line holds as many records."""
    found = read(tmp_path, content.rstrip("\n"), **keys)

    assert [record["a"] for record in found] == ["1", "2"]


@pytest.mark.parametrize(("keys", "content"), TWO_RECORDS)
def test_line_ends_of_windows(tmp_path: Path, keys: dict[str, Any], content: str):
    """CR and LF end a line as LF alone does, and stay out of the values."""
    found = read(tmp_path, content.replace("\n", "\r\n"), **keys)

    assert [record["a"] for record in found] == ["1", "2"]


def test_odd_characters_arrive_unchanged(tmp_path: Path):
    """C1 controls, DEL, joiners, marks of direction, decomposed letters: all are data."""
    text = "a\u0097b\x7fc\u200dd\u200fe\u00a0f e\u0301 \ufffd \U0001f600 \u00e2\u20ac\u2122"
    field = Field(name="text", expression="text")

    for keys, content in [
        ({"format": "jsonl"}, f'{{"text": "{text}"}}'),
        ({"format": "text"}, text),
    ]:
        [record] = read(tmp_path, content, **keys)
        row = RowMaker(CardSource(source=Source(), fields=(field,))).row(record)
        assert row == {"text": text}


def test_long_numbers_keep_their_digits(tmp_path: Path):
    """An id of 64 bits is no floating-point number, in JSON Lines and in a JSON list."""
    for keys, content in [
        ({"format": "jsonl"}, '{"id": %s}'),
        ({"format": "json"}, '[{"id": %s}]'),
    ]:
        assert read(tmp_path, content % -8909131518049310377, **keys) == [
            {"id": -8909131518049310377}
        ]


@pytest.mark.parametrize(
    ("output", "answers"),
    [
        (["one", " two "], ["one", "two"]),
        (["one", "", "  "], ["one"]),
        (["12", "12"], ["12", "12"]),
        ([""], None),
        ([], None),
    ],
)
def test_empty_outputs_are_no_answers(output: list[str], answers: list[str] | None):
    """Of several right outputs the empty ones go; a record with no other goes to quarantine."""
    [card, *_], _ = load_card_file(cards_folder() / "niv2" / "family.yaml", shown_as="family.yaml")

    row = RowMaker(card.sources[0]).row({**card.sample[0], "output": output})

    if answers is None:
        assert isinstance(row, RowProblem)
        assert row.reason == "missing_field"
    else:
        assert isinstance(row, dict)
        assert row["answers"] == answers
