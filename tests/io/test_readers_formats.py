"""Rules of the formats: what a record of each is, and where it stands."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, SourceRecord, lines, read_source
from mixture_builder.io.readers import json_documents as documents
from mixture_builder.io.readers.jsonl import read_jsonl
from mixture_builder.io.readers.records import ReadingError, excerpt_of
from mixture_builder.io.readers.tables import read_table
from mixture_builder.sources import Source


def read(tmp_path, content, **keys):
    """What a file with this content yields."""
    file = tmp_path / keys.pop("name", "data")
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    source = Source(files=(file.name,), **keys)
    return list(read_source(source, base=str(tmp_path), mirror=Mirror.empty()))


def records(tmp_path, content, **keys):
    """The records of a file with this content; none may be bad."""
    items = read(tmp_path, content, **keys)
    assert all(isinstance(item, SourceRecord) for item in items), items
    return [item.record for item in items]


def test_a_line_ends_at_a_newline_only(tmp_path):
    """U+2028, U+2029, U+0085, a form feed and a bare carriage return stay inside a line."""
    odd = "a\u2028b\u2029c\u0085d\x0ce\rf"

    assert records(tmp_path, f"{odd}\r\nlast", format="text") == [{"text": odd}, {"text": "last"}]
    assert records(tmp_path, f"{odd}\t1\n", format="tsv", header=False, columns=("a", "b")) == [
        {"a": odd, "b": "1"}
    ]


def test_a_mark_at_the_start_of_a_file_is_dropped_and_no_other(tmp_path):
    """A byte order mark inside a string is data."""
    content = '\ufeff{"q": "\ufeffone"}\n'

    assert records(tmp_path, content, format="jsonl") == [{"q": "\ufeffone"}]
    assert records(tmp_path, f"\ufeff[{content[1:]}]", format="json") == [{"q": "\ufeffone"}]
    assert records(tmp_path, "\ufefftext", format="document")[0]["text"] == "text"


def test_places_count_lines_from_one_and_elements_from_zero(tmp_path):
    """Empty lines of JSON Lines and tables are skipped, but counted."""
    jsonl = read(tmp_path, '{"q": 1}\n\n{"q": 2}', format="jsonl", name="a.jsonl")
    table = read(tmp_path, "q\n1\n\n2\n", format="csv", name="a.csv")
    array = read(tmp_path, '[{"q": 1}, {"q": 2}]', format="json", name="a.json")

    assert [item.place for item in jsonl] == ["a.jsonl#L1", "a.jsonl#L3"]
    assert [item.place for item in table] == ["a.csv#L2", "a.csv#L4"]
    assert [item.place for item in array] == ["a.json#0", "a.json#1"]


def test_json_lines_that_are_no_mappings_are_named(tmp_path):
    """A list takes the names of `columns`; any other value is `value`."""
    content = '["a", 1]\n["b"]\n'
    named = read(tmp_path, content, format="jsonl", columns=("q", "a"), name="a")

    assert named[0] == SourceRecord(place="a#L1", record={"q": "a", "a": 1})
    assert named[1] == BadRecord(
        place="a#L2", reason="wrong_columns", detail="found 1 columns; expected 2.", excerpt="b"
    )
    assert records(tmp_path, '["a", 1]\n"b"\n', format="jsonl") == [
        {"value": ["a", 1]},
        {"value": "b"},
    ]


def test_json_that_no_interpreter_can_hold_is_a_bad_record(tmp_path):
    """Values nested without end and numbers of thousands of digits do not end the reading."""
    content = "[" * 200_000 + "\n" + "1" * 10_000 + '\n{"q": 1}\n'
    items = read(tmp_path, content, format="jsonl")

    assert [getattr(item, "reason", "good") for item in items] == ["bad_json", "bad_json", "good"]


def test_a_line_without_end_is_a_bad_record(tmp_path, monkeypatch):
    """A line over the limit is skipped to its end, and the next one is read."""
    monkeypatch.setattr(lines, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(lines, "_CHUNK", 100)
    items = read(tmp_path, f"one\n{'x' * 5000}\nthree\n", format="text", name="a")
    cut = read(tmp_path, f"one\n{'x' * 5000}", format="text", name="a")
    document = read(tmp_path, "x" * 1001, format="document", name="a")

    assert [item.place for item in items] == ["a#L1", "a#L2", "a#L3"]
    assert [getattr(item, "reason", "good") for item in items] == ["good", "too_long", "good"]
    assert [getattr(item, "reason", "good") for item in cut] == ["good", "too_long"]
    assert [item.reason for item in document] == ["too_long"]
    assert len(items[1].excerpt) == 200


def test_quotes_are_plain_in_tsv_and_quote_in_csv(tmp_path):
    """`quoting` turns either around."""
    row = 'a "b,c'
    assert records(tmp_path, f"q\ta\n{row}\t1\n", format="tsv") == [{"q": row, "a": "1"}]
    assert records(tmp_path, 'q,a\n"b,\r\n""c""",1\r\n', format="csv") == [
        {"q": 'b,\r\n"c"', "a": "1"}
    ]
    assert records(tmp_path, 'q,a\n"b,1\n', format="csv", quoting=False) == [{"q": '"b', "a": "1"}]
    assert records(tmp_path, 'q\ta\n"b\t"\t1\n', format="tsv", quoting=True) == [
        {"q": "b\t", "a": "1"}
    ]
    assert records(tmp_path, "q|a\nb|1\n", format="csv", delimiter="|") == [{"q": "b", "a": "1"}]


def test_the_names_of_a_card_win_over_a_header(tmp_path):
    """With both `header` and `columns`, the first line is skipped and the card's names hold."""
    assert records(tmp_path, "x,x\n1,2\n", format="csv", columns=("q", "a")) == [
        {"q": "1", "a": "2"}
    ]


def test_text_records_may_take_several_lines(tmp_path):
    """The blank line between records may be missing after the last one."""
    content = "one\n1\n\ntwo\n2"
    columns = ("q", "a", "blank")

    assert records(tmp_path, content, format="text", lines_per_record=3, columns=columns) == [
        {"q": "one", "a": "1", "blank": ""},
        {"q": "two", "a": "2", "blank": ""},
    ]
    assert records(tmp_path, "a\nb\n", format="text", lines_per_record=2) == [{"lines": ["a", "b"]}]


def test_a_document_is_one_record_with_its_path(tmp_path):
    """Its line ends stay, and the place is the file itself."""
    assert read(tmp_path, "a\r\nb\n", format="document", name="a.txt") == [
        SourceRecord(place="a.txt", record={"text": "a\r\nb\n", "path": "a.txt"})
    ]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-32", "shift_jis", "gb18030"])
def test_text_in_other_encodings(tmp_path, encoding):
    """Encodings with wide or several bytes are cut into lines like any other."""
    texts = ["plain", "last"] if encoding == "cp1252" else ["日本", "本日"]
    content = "\n".join(texts).encode(encoding)
    array = json.dumps([{"q": texts[0]}], ensure_ascii=False).encode(encoding)

    assert [r["text"] for r in records(tmp_path, content, format="text", encoding=encoding)] == (
        texts
    )
    assert records(tmp_path, array, format="json", encoding=encoding) == [{"q": texts[0]}]


def test_records_say_where_the_list_is(tmp_path):
    """A path, the values of a mapping with their keys, or the file as one record."""
    content = '{"data": {"train": [{"q": 1}], "by_id": {"x y": {"q": 2}, "z": 3}}}'

    def places(where):
        items = read(tmp_path, content, format="json", records=where, name="a")
        return [(item.place, item.record) for item in items]

    assert places("data.train") == [("a#data.train[0]", {"q": 1})]
    assert places("data.by_id.*") == [
        ('a#data.by_id["x y"]', {"key": "x y", "q": 2}),
        ('a#data.by_id["z"]', {"key": "z", "value": 3}),
    ]
    assert [place for place, _ in places(".")] == ["a"]


@pytest.mark.parametrize("where", ["", "data", "*", "data.*"])
def test_large_json_files_are_streamed_to_the_same_records(tmp_path, monkeypatch, where):
    """Streaming is a matter of memory: records and places do not change."""
    rows = [{"q": f"é{n}", "n": n, "x": 1.5, "nested": {"list": [n, None, True]}} for n in range(9)]
    value = {f"k{n}": row for n, row in enumerate(rows)} if "*" in where else rows
    document = {"other": [1], "data": value} if "data" in where else value
    content = json.dumps(document)
    whole = read(tmp_path, content, format="json", records=where)
    monkeypatch.setattr(documents, "MAX_WHOLE_BYTES", 10)

    assert len(whole) == 9
    assert read(tmp_path, content, format="json", records=where) == whole


def test_exploded_records_see_their_parents(tmp_path):
    """Inner keys win, elements that are no mappings keep the list's name, and places nest."""
    content = json.dumps(
        {"data": [{"title": "T", "id": 0, "qas": [{"id": 1, "opts": ["x", "y"]}, {"id": 2}]}]}
    )
    [*items] = read(
        tmp_path, content, format="json", records="data", explode=("qas", "opts"), name="a"
    )

    assert [item.place for item in items] == [
        "a#data[0].qas[0].opts[0]",
        "a#data[0].qas[0].opts[1]",
        "a#data[0].qas[1]",
    ]
    first = items[0].record
    assert (first["title"], first["id"], first["opts"]) == ("T", 1, "x")
    assert (first["qas_index"], items[1].record["opts_index"]) == (0, 1)
    assert items[2].reason == "wrong_shape"


def test_explode_follows_paths_and_values_of_mappings(tmp_path):
    """`a.b` goes down, `.*` takes the values of a mapping, an empty list gives no record."""
    content = '{"p": {"qs": {"k1": {"q": 1}}}, "none": [], "null": null}\n'

    [item] = read(tmp_path, content, format="jsonl", explode=("p.qs.*",), name="a")
    assert (item.place, item.record["key"], item.record["q"]) == ('a#L1.p.qs["k1"]', "k1", 1)
    [item] = read(tmp_path, '{"1": {"q": 1}}', format="jsonl", explode=("*",), name="a")
    assert (item.place, item.record["q"]) == ('a#L1["1"]', 1)
    assert read(tmp_path, content, format="jsonl", explode=("none",)) == []
    assert read(tmp_path, content, format="jsonl", explode=("null",)) == []


def test_natural_instructions_records(tmp_path):
    """Each instance carries the task's definition, exemplars and labels; lists stay lists."""
    task = {
        "Definition": ["First.", "Second."],
        "Positive Examples": [{"input": "a", "output": "b", "explanation": "c"}],
        "Categories": ["Story"],
        "Source": ["own"],
        "Input_language": ["English"],
        "Instances": [
            {"id": "t-1", "input": "x", "output": ["y", ""]},
            {"input": "x", "output": "y"},
        ],
    }
    items = read(tmp_path, json.dumps(task), format="natural_instructions", name="task1.json")

    assert items[0] == SourceRecord(
        place="task1.json#Instances[0]",
        record={
            "id": "t-1",
            "input": "x",
            "output": ["y", ""],
            "definition": "First.",
            "definitions": ["First.", "Second."],
            "positive_examples": task["Positive Examples"],
            "negative_examples": [],
            "categories": ["Story"],
            "source": ["own"],
            "input_language": ["English"],
            "output_language": [],
            "instance_license": [],
        },
    )
    assert (items[1].record["id"], items[1].record["output"]) == ("", ["y"])


def test_xml_elements_become_mappings(tmp_path):
    """Children are lists under their tag, attributes are keys, `text` is all text inside."""
    content = (
        '<b xmlns:x="urn:x"><entries><entry id="7" lex="attr"><lex lid="1">a <i>b</i></lex>'
        "<lex>c</lex><x:t/></entry></entries></b>"
    )
    [item] = read(tmp_path, content, format="xml", xml_record="entry", name="a")

    assert item == SourceRecord(
        place="a#0",
        record={
            "lex": [
                {"i": [{"text": "b"}], "text": "a b", "lid": "1"},
                {"text": "c"},
            ],
            "t": [{"text": ""}],
            "text": "a bc",
            "id": "7",
            "@lex": "attr",
        },
    )
    assert records(tmp_path, "<r><p><text>x</text></p><p/></r>", format="xml") == [
        {"text": [{"text": "x"}]},
        {"text": ""},
    ]


def test_parquet_rows(tmp_path):
    """Rows come in order with Python's values; `columns` reads only some of them."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"q": [str(n) for n in range(3000)], "opts": [["a", "b"]] * 3000})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    content = (tmp_path / "t.parquet").read_bytes()

    items = read(tmp_path, content, format="parquet", name="a")
    assert len(items) == 3000
    assert items[2999] == SourceRecord(place="a#2999", record={"q": "2999", "opts": ["a", "b"]})
    assert records(tmp_path, content, format="parquet", columns=("q",))[0] == {"q": "0"}


def test_a_parquet_string_that_is_no_utf8_spoils_its_row_only(tmp_path):
    """The other rows of the batch are read."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    raw = pa.array([b"one", b"caf\xe9", b"three"])
    pq.write_table(pa.table({"q": raw.view(pa.string())}), tmp_path / "t.parquet")
    items = read(
        tmp_path, (tmp_path / "t.parquet").read_bytes(), format="parquet", name="a.parquet"
    )

    assert [getattr(item, "reason", "good") for item in items] == ["good", "bad_encoding", "good"]
    assert items[1].place == "a.parquet#1"


def test_a_parquet_date_that_python_has_not_spoils_its_row_only(tmp_path):
    """The other rows of the batch are read."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    seconds = pa.array([0, 2**50, 1], pa.timestamp("ms"))
    pq.write_table(pa.table({"at": seconds}), tmp_path / "t.parquet")
    items = read(
        tmp_path, (tmp_path / "t.parquet").read_bytes(), format="parquet", name="a.parquet"
    )

    assert [getattr(item, "reason", "good") for item in items] == ["good", "no_value", "good"]
    assert items[1].detail == "found a value that cannot be read (date value out of range)."


def test_importing_the_readers_imports_no_heavy_library():
    """pyarrow, fsspec, datasets and the parsers of rare formats wait until a file needs them."""
    heavy = "{'pyarrow', 'fsspec', 'datasets', 'ijson', 'defusedxml', 'zstandard', 'numpy'}"
    code = f"import sys, mixture_builder.io.readers; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


@given(st.binary(max_size=300), st.integers(1, 7))
def test_blocks_of_lines_do_not_depend_on_where_reads_end(content, chunk):
    """Lines are what splitting the whole content at newlines gives, good or bad."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_CHUNK", chunk)
        try:
            blocks = lines.line_blocks(io.BytesIO(content), encoding="utf-8")
            found = [
                line.raw if isinstance(line, lines.BadLine) else line.encode("utf-8")
                for block in blocks
                for line in block
            ]
        except ReadingError:
            assert content.startswith((b"\xff\xfe", b"\xfe\xff"))
            return
    expected = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if expected[-1] == b"":
        expected.pop()

    assert [line.removesuffix(b"\r") for line in found] == [
        line.removesuffix(b"\r") for line in expected
    ]


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.dictionaries(_texts, _texts | st.integers() | st.none()), max_size=5))
def test_what_json_writes_is_read_back(rows):
    """JSON Lines and a JSON list give the same records, escaped or not."""
    for ascii_only in (True, False):
        as_lines = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
        stream = io.BytesIO(as_lines.encode("utf-8"))
        items = list(read_jsonl(stream, name="a", source=Source()))
        assert items == [
            SourceRecord(place=f"a#L{number}", record=row) for number, row in enumerate(rows, 1)
        ]
        array = io.BytesIO(json.dumps(rows, ensure_ascii=ascii_only).encode("utf-8"))
        items = list(documents.read_json(array, name="a", source=Source()))
        assert items == [
            SourceRecord(place=f"a#{number}", record=row) for number, row in enumerate(rows)
        ]


@given(st.lists(st.tuples(_texts, _texts), max_size=5))
def test_what_the_csv_module_writes_is_read_back(rows):
    """Quoted line breaks, quotes, commas and carriage returns survive."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    source = Source(format="csv", header=False, columns=("a", "b"))
    stream = io.BytesIO(out.getvalue().encode("utf-8"))

    items = list(read_table(stream, name="x", source=source))
    assert all(isinstance(item, SourceRecord) for item in items)
    assert [getattr(item, "record", None) for item in items] == [{"a": a, "b": b} for a, b in rows]


@given(st.text() | st.binary() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()))
def test_an_excerpt_is_short_and_can_be_stored(value):
    """At most 200 characters, all of which UTF-8 can encode."""
    excerpt = excerpt_of(value)

    assert len(excerpt) <= 200
    assert excerpt.encode("utf-8").decode("utf-8") == excerpt
