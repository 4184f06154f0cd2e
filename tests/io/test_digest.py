"""Rules for the digest of a table's content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.io.digest import ContentDigest, content_digest, mixture_digest
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA

MakeExamples = Callable[[Sequence[tuple[str, str]]], pa.Table]

SMALL = pa.schema(
    [("text", pa.string()), ("number", pa.int64()), ("numbers", pa.list_(pa.int64()))]
)
INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"text": st.text(), "number": INT64, "numbers": st.lists(INT64, max_size=4)}
    ),
    max_size=12,
)


def as_documented(records: list[dict[str, Any]]) -> str:
    """The canonical encoding spelled out value by value, as the module's docstring says it."""

    def number(value: int) -> bytes:
        return value.to_bytes(8, "little", signed=True)

    def text(value: str) -> bytes:
        return number(len(value.encode())) + value.encode()

    columns = {
        ("number", "int"): [[number(r["number"]) for r in records]],
        ("numbers", "list<int>"): [
            [number(len(r["numbers"])) for r in records],
            [number(value) for r in records for value in r["numbers"]],
        ],
        ("text", "string"): [
            [number(len(r["text"].encode())) for r in records],
            [r["text"].encode() for r in records],
        ],
    }
    total = b"mixture-builder content digest 1\n" + number(len(records)) + number(3)
    for (name, word), streams in columns.items():
        total += text(name) + text(word)
        for stream in streams:
            total += xxhash.xxh3_128(b"".join(stream)).digest()
    return xxhash.xxh3_128(total).hexdigest()


@settings(deadline=None)
@given(records=RECORDS)
def test_the_digest_is_the_documented_one(records: list[dict[str, Any]]) -> None:
    """Anyone can compute the digest from the docstring, value by value."""
    table = pa.Table.from_pylist(records, schema=SMALL)

    assert content_digest(table, SMALL) == as_documented(records)


@settings(deadline=None)
@given(records=RECORDS, cuts=st.lists(st.integers(0, 12), max_size=4))
def test_batch_boundaries_do_not_matter(records: list[dict[str, Any]], cuts: list[int]) -> None:
    """A table cut anywhere, into slices that share memory, has the digest of the whole."""
    table = pa.Table.from_pylist(records, schema=SMALL)
    edges = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    digest = ContentDigest(SMALL)
    for start, stop in pairwise(edges):
        digest.update(table.slice(start, stop - start))

    assert digest.hexdigest() == content_digest(table, SMALL)
    assert digest.rows == len(records)


@settings(deadline=None)
@given(records=RECORDS)
def test_the_layout_in_memory_does_not_matter(records: list[dict[str, Any]]) -> None:
    """Large strings, string views, dictionaries, large lists and narrow offsets are all one."""
    table = pa.Table.from_pylist(records, schema=SMALL)
    expected = content_digest(table, SMALL)
    text, number, numbers = (table.column(name) for name in SMALL.names)
    for other in (
        text.cast(pa.large_string()),
        text.cast(pa.string_view()),
        text.dictionary_encode(),
    ):
        laid_out = pa.table(
            {"text": other, "number": number, "numbers": numbers.cast(pa.large_list(pa.int64()))}
        )
        assert content_digest(laid_out, SMALL) == expected


def test_the_width_of_integers_does_not_matter() -> None:
    """A value counts, not the bits a format spends on it: -1 is -1 in 8, 32 and 64 bits."""
    digests = {
        content_digest(pa.table({"n": pa.array([-1, 5], kind)}), pa.schema([("n", kind)]))
        for kind in (pa.int8(), pa.int32(), pa.int64())
    }

    assert len(digests) == 1


def test_the_order_of_columns_does_not_matter(make_examples: MakeExamples) -> None:
    """Columns are found by name; further columns are no part of the content."""
    table = make_examples([("a", "b"), ("c", "d")])
    turned = table.select(table.column_names[::-1]).append_column("extra", pa.array([1, 2]))

    assert content_digest(turned) == content_digest(table)


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        ([("ab", "c"), ("d", "e")], "a text moved to the next row"),
        ([("a", "bc"), ("d", "e")], "a text moved to the next column"),
        ([("d", "e"), ("a", "bc")], "rows in another order"),
        ([("a", "bc")], "a row less"),
        ([("a", "bc"), ("d", "e"), ("", "")], "an empty row more"),
        ([("a", "bc"), ("d", "e\0")], "a NUL more"),
    ],
)
def test_any_other_content_has_another_digest(
    make_examples: MakeExamples, pairs: list[tuple[str, str]], what: str
) -> None:
    """Lengths are part of the encoding, so nothing can move without being seen."""
    # Only the two texts: `make_examples` gives further columns by position.
    schema = pa.schema([("inputs", pa.string()), ("targets", pa.string())])
    before = content_digest(make_examples([("a", "b"), ("cd", "e")]), schema)

    assert content_digest(make_examples(pairs), schema) != before, what


def test_an_empty_mixture_has_a_digest() -> None:
    """No batch at all, an empty batch and an empty table agree."""
    empty = EXAMPLE_SCHEMA.empty_table()
    batch = pa.RecordBatch.from_pylist([], schema=EXAMPLE_SCHEMA)

    assert content_digest([]) == content_digest(empty) == content_digest([batch, batch])


def test_what_has_no_encoding_is_refused() -> None:
    """Nulls, other types and missing columns are mistakes of the caller, and said so."""
    schema = pa.schema([("n", pa.int64())])
    with pytest.raises(ValueError, match="1 nulls have no canonical encoding"):
        content_digest(pa.table({"n": pa.array([1, None])}), schema)
    with pytest.raises(ValueError, match="column 'n' is string, expected int"):
        content_digest(pa.table({"n": ["1"]}), schema)
    with pytest.raises(ValueError, match="column 'n' is missing"):
        content_digest(pa.table({"m": [1]}), schema)
    with pytest.raises(ValueError, match="the type double has no canonical encoding"):
        ContentDigest(pa.schema([("x", pa.float64())]))


def test_the_digest_of_version_1_never_changes(make_examples: MakeExamples) -> None:
    """Manifests store it: another value for the same rows needs another version number."""
    table = make_examples([("What is 2 + 2?", "4"), ("\u2028\U0001f600", ""), ("é", "\0")])

    assert content_digest(table) == "b51cf1d7ebb8bf0a109dea788f2ad63e"


def test_the_digest_of_a_mixture_follows_its_shards() -> None:
    """Order and number of shards count; a mixture of no shards has a digest too."""
    one, two = "00" * 15 + "01", "00" * 15 + "02"

    digests = [mixture_digest(shards) for shards in ([], [one], [one, two], [two, one])]
    assert len(set(digests)) == 4
    assert all(len(digest) == 32 for digest in digests)
