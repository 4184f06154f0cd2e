"""Rules for `.bin` and `.idx` files, read here by the description of the format alone."""

from __future__ import annotations

import struct

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.io.megatron import (
    Kind,
    token_kind,
    write_bin,
    write_index,
    write_lengths,
)
from mixture_builder.token_lists import token_lists

WIDTHS: dict[Kind, tuple[int, str]] = {"uint16": (8, "<u2"), "int32": (4, "<i4")}
DOCUMENTS = st.lists(st.lists(st.integers(0, 65_499), max_size=5), max_size=8)


def stored(name: str) -> bytes:
    """The bytes of a file."""
    with fsspec.open(f"memory://megatron/{name}", "rb") as file:
        return bytes(file.read())


def read_documents(kind: Kind) -> list[list[int]]:
    """The documents, found by the lengths and places in the index."""
    index, tokens = stored("x.idx"), stored("x.bin")
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, count, entries = struct.unpack_from("<QBQQ", index, 9)
    assert (version, code, entries) == (1, WIDTHS[kind][0], count + 1)
    lengths = np.frombuffer(index, "<i4", count, 34)
    places = np.frombuffer(index, "<i8", count, 34 + 4 * count)
    bounds = np.frombuffer(index, "<i8", entries, 34 + 12 * count)
    assert 34 + 12 * count + 8 * entries == len(index)
    assert bounds.tolist() == list(range(count + 1))
    return [
        np.frombuffer(tokens, WIDTHS[kind][1], length, place).tolist()
        for length, place in zip(lengths.tolist(), places.tolist(), strict=True)
    ]


@pytest.mark.parametrize("kind", ["uint16", "int32"])
@given(documents=DOCUMENTS)
def test_documents_come_back(kind: Kind, documents: list[list[int]]):
    """Every document stands where the index says, however wide a token is."""
    lists = token_lists(documents)
    done = write_bin(lists, "memory://megatron/x.bin", kind=kind)
    write_index(lists.lengths, "memory://megatron/x.idx", kind=kind)

    assert read_documents(kind) == documents
    assert done.rows == len(documents)


@given(parts=st.lists(DOCUMENTS, min_size=1, max_size=3))
def test_files_joined_end_to_end_are_one_dataset(parts: list[list[list[int]]]):
    """The tokens and lengths of several parts, joined as bytes, are those of the whole."""
    tokens, lengths = b"", b""
    for part in parts:
        lists = token_lists(part)
        write_bin(lists, "memory://megatron/part", kind="uint16")
        tokens += stored("part")
        write_lengths(lists, "memory://megatron/part")
        lengths += stored("part")
    fsspec.filesystem("memory").pipe("/megatron/x.bin", tokens)
    write_index(np.frombuffer(lengths, "<i4"), "memory://megatron/x.idx", kind="uint16")

    assert read_documents("uint16") == [document for part in parts for document in part]


def test_the_width_of_a_token_follows_the_vocabulary():
    """From 65,500 tokens on four bytes are needed; below, two are enough."""
    assert [token_kind(size) for size in (256, 65_499, 65_500, 128_256)] == [
        "uint16",
        "uint16",
        "int32",
        "int32",
    ]
