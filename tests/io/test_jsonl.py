"""Rules for finished examples as JSON Lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.errors import VerifyError
from mixture_builder.io.digest import content_digest
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.jsonl import read_jsonl, write_jsonl

MakeExamples = Callable[[Sequence[tuple[str, str]]], pa.Table]
# Every character JSON treats specially, and others that readers stumble over, often.
AWKWARD = st.text(st.sampled_from([*map(chr, range(0x80)), "\u2028", "\u2029", "\x85", "é", "😀"]))
PAIRS = st.lists(st.tuples(st.text(), AWKWARD), max_size=8)


def stored(url: str) -> bytes:
    """The bytes of the file."""
    with fsspec.open(url, "rb") as file:
        return bytes(file.read())


def read_all(url: str) -> pa.Table:
    """The whole file as a table."""
    return pa.Table.from_batches(read_jsonl(url), schema=EXAMPLE_SCHEMA)


@settings(deadline=None)
@given(pairs=PAIRS)
def test_any_text_comes_back(make_examples: MakeExamples, pairs: list[tuple[str, str]]) -> None:
    """What is read equals what was written, in values, types and digest."""
    url = "memory://jsonl/any.jsonl"
    table = make_examples(pairs)
    written = write_jsonl(table, url)

    back = read_all(url)
    assert back.equals(table)
    assert back.schema.equals(EXAMPLE_SCHEMA)
    assert content_digest(back) == content_digest(table)
    assert (written.rows, written.bytes) == (len(pairs), len(stored(url)))
    assert written.sha256 == hashlib.sha256(stored(url)).hexdigest()


@settings(deadline=None)
@given(pairs=PAIRS)
def test_lines_are_those_of_the_json_module(
    make_examples: MakeExamples, pairs: list[tuple[str, str]]
) -> None:
    """Each line is what `json.dumps` gives, but for the two line separators, on one line."""
    url = "memory://jsonl/lines.jsonl"
    table = make_examples(pairs)
    write_jsonl(table, url)

    expected = [
        json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
        for row in table.to_pylist()
    ]
    text = stored(url).decode()
    assert text == "".join(line + "\n" for line in expected)
    # str.splitlines also cuts at U+0085, which JSON allows and no JSON Lines reader cuts at.
    assert len(text.replace("\x85", "").splitlines()) == len(pairs)


def test_a_line_looks_like_this(make_examples: MakeExamples) -> None:
    """Keys follow the schema; letters stay letters; integers and lists are JSON's own."""
    write_jsonl(make_examples([("a", "b"), ('"é"\n\u2028', "\\\t\x00")]), "memory://jsonl/one")

    assert stored("memory://jsonl/one").decode().splitlines()[1] == (
        '{"inputs":"\\"é\\"\\n\\u2028","targets":"\\\\\\t\\u0000","task_id":"cot/task_1",'
        '"submixture":"cot","variant":"fs_noopt","template_id":"ask_1","style":"",'
        '"num_exemplars":1,"exemplar_rows":[1099511627777],"row":1,"draw":8589934591}'
    )


def test_bytes_do_not_depend_on_how_memory_is_chunked(make_examples: MakeExamples) -> None:
    """One chunk, small batches and a slice of more rows give the same file, read back whole."""
    table = make_examples([(f"question {i}?\t" * (i % 40), str(i)) for i in range(20_000)])
    layouts = [
        table.combine_chunks(),
        pa.Table.from_batches(table.to_batches(max_chunksize=777)),
        pa.concat_tables([table.slice(19_999), table]).slice(1),
        table.select(table.column_names[::-1]),
    ]

    assert len({write_jsonl(layout, "memory://jsonl/x").sha256 for layout in layouts}) == 1
    assert read_all("memory://jsonl/x").equals(table)


def test_long_lines_are_read(make_examples: MakeExamples) -> None:
    """A line longer than the pieces that are read keeps its place among short ones."""
    table = make_examples([("short", "1"), ("long " * 2_000_000, "2"), ("end", "3")])
    write_jsonl(table, "memory://jsonl/long")

    assert read_all("memory://jsonl/long").equals(table)


def test_lines_of_other_programs_are_read(make_examples: MakeExamples) -> None:
    """Other programs leave out the last line feed, write spaces, empty lines and more keys."""
    table = make_examples([("a", "b"), ("c", "d")])
    lines = [json.dumps({"more": None, **row}, indent=None) for row in table.to_pylist()]
    fsspec.filesystem("memory").pipe("/jsonl/foreign", "\n\n".join(lines).encode())

    assert read_all("memory://jsonl/foreign").equals(table)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda line: line[:-9], "Expecting|Unterminated|delimiter"),
        (lambda line: line.replace('"draw"', '"drow"'), "the key 'draw' is missing"),
        (lambda line: line.replace('"num_exemplars":0', '"num_exemplars":"0"'), "int"),
        (lambda line: line.replace('"num_exemplars":0', '"num_exemplars":2147483648'), "too large"),
        (lambda line: line.replace('"inputs":"c"', '"inputs":null'), "'inputs' has 1 nulls"),
        (lambda line: line.replace('"inputs":"c"', '"inputs":"\\ud800"'), "surrogates"),
        (lambda line: "[]", "it is no JSON object"),
        (lambda line: line.replace('"row":3', '"row":'), "Expecting value"),
    ],
)
def test_damage_names_file_and_line(
    tmp_path: Path, make_examples: MakeExamples, change: Callable[[str], str], what: str
) -> None:
    """A line that is no finished example is named by its number, with what is wrong."""
    path = tmp_path / "train.jsonl"
    write_jsonl(make_examples([("a", "b"), ("x", "y"), ("y", "z"), ("c", "d")]), str(path))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], change(lines[3]), lines[0], ""]), encoding="utf-8")

    with pytest.raises(VerifyError, match=rf"train\.jsonl: line 4 cannot be read.*: .*{what}"):
        read_all(str(path))


def test_text_that_is_no_utf8_is_named(tmp_path: Path, make_examples: MakeExamples) -> None:
    """A byte that no UTF-8 text contains is an error, never a replacement character."""
    path = tmp_path / "train.jsonl"
    write_jsonl(make_examples([("abc", "b")]), str(path))
    path.write_bytes(path.read_bytes().replace(b"abc", b"a\xffc"))

    with pytest.raises(VerifyError, match=r"train\.jsonl: line 1 .*utf-8"):
        read_all(str(path))


def test_nested_columns_serve_exports() -> None:
    """Lists of structs, truth values and empty lists are written for exports."""
    turn = pa.struct([("role", pa.string()), ("final", pa.bool_())])
    schema = pa.schema([("messages", pa.list_(turn))])
    table = pa.table(
        {"messages": [[{"role": 'us"er', "final": False}, {"role": "x", "final": True}], []]},
        schema=schema,
    )
    write_jsonl(table.slice(0, 2), "memory://jsonl/nested", schema=schema)

    assert stored("memory://jsonl/nested").decode() == (
        '{"messages":[{"role":"us\\"er","final":false},{"role":"x","final":true}]}\n'
        '{"messages":[]}\n'
    )


def test_what_cannot_be_written_is_refused() -> None:
    """Nulls and types without a JSON form are mistakes of the caller; no file appears."""
    nulls = pa.table({"x": pa.array([None], pa.string())})
    with pytest.raises(ValueError, match="a column of type string has nulls"):
        write_jsonl(nulls, "memory://jsonl/none", schema=nulls.schema)
    dates = pa.table({"x": pa.array([0], pa.date32())})
    with pytest.raises(ValueError, match="no JSON is known for a column of type date32"):
        write_jsonl(dates, "memory://jsonl/none", schema=dates.schema)

    assert not fsspec.filesystem("memory").exists("/jsonl/none")
