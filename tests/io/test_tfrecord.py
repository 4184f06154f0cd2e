"""Rules for finished examples as TFRecord files of `tf.train.Example`."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from google.protobuf import (  # type: ignore[import-untyped, unused-ignore]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from mixture_builder.errors import VerifyError
from mixture_builder.io.digest import content_digest
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA
from mixture_builder.io.tfrecord import read_tfrecord, write_tfrecord

MakeExamples = Callable[[Sequence[tuple[str, str]]], pa.Table]
INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
WIDE = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("numbers", pa.list_(pa.int64())),
        ("texts", pa.list_(pa.string())),
    ]
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.text(),
            "number": INT64,
            "numbers": st.lists(INT64, max_size=5),
            "texts": st.lists(st.text(max_size=5), max_size=3),
        }
    ),
    max_size=6,
)
Text = descriptor_pb2.FieldDescriptorProto


def example_class() -> Any:
    """The message class of tensorflow/core/example/example.proto, from its published fields."""
    file = descriptor_pb2.FileDescriptorProto(
        name="example.proto", package="tensorflow", syntax="proto3"
    )

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> Any:
        made = file.message_type.add(name=name)
        for field, number, label, kind, type_name in fields:
            made.field.add(name=field, number=number, label=label, type=kind)
            if type_name:
                made.field[-1].type_name = type_name
        return made

    one, many = Text.LABEL_OPTIONAL, Text.LABEL_REPEATED
    message("BytesList", ("value", 1, many, Text.TYPE_BYTES, ""))
    message("FloatList", ("value", 1, many, Text.TYPE_FLOAT, ""))
    message("Int64List", ("value", 1, many, Text.TYPE_INT64, ""))
    feature = message(
        "Feature",
        ("bytes_list", 1, one, Text.TYPE_MESSAGE, ".tensorflow.BytesList"),
        ("float_list", 2, one, Text.TYPE_MESSAGE, ".tensorflow.FloatList"),
        ("int64_list", 3, one, Text.TYPE_MESSAGE, ".tensorflow.Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    entry = ".tensorflow.Features.FeatureEntry"
    features = message("Features", ("feature", 1, many, Text.TYPE_MESSAGE, entry))
    pair = features.nested_type.add(name="FeatureEntry")
    pair.options.map_entry = True
    pair.field.add(name="key", number=1, label=one, type=Text.TYPE_STRING)
    pair.field.add(
        name="value", number=2, label=one, type=Text.TYPE_MESSAGE, type_name=".tensorflow.Feature"
    )
    message("Example", ("features", 1, one, Text.TYPE_MESSAGE, ".tensorflow.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


EXAMPLE = example_class()


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC bit by bit, independent of the library and the tables under test."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """The CRC as TFRecord stores it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records_of(data: bytes) -> list[bytes]:
    """The messages of a TFRecord file, with both CRCs checked."""
    messages, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        assert struct.unpack_from("<I", data, place + 8) == (masked(data[place : place + 8]),)
        message = data[place + 12 : place + 12 + length]
        assert struct.unpack_from("<I", data, place + 12 + length) == (masked(message),)
        messages.append(message)
        place += 16 + length
    return messages


def framed(*messages: bytes) -> bytes:
    """A TFRecord file of the messages."""
    out = b""
    for message in messages:
        length = struct.pack("<Q", len(message))
        out += length + struct.pack("<I", masked(length))
        out += message + struct.pack("<I", masked(message))
    return out


def built(record: dict[str, Any]) -> Any:
    """The same record, made with protobuf's own classes."""
    message = EXAMPLE()
    for name, value in record.items():
        feature = message.features.feature[name]
        values = value if isinstance(value, list) else [value]
        if name in ("number", "numbers"):
            feature.int64_list.SetInParent()
            feature.int64_list.value.extend(values)
        else:
            feature.bytes_list.SetInParent()
            feature.bytes_list.value.extend(text.encode() for text in values)
    return message


def with_length(entries: list[bytes]) -> bytes:
    """The entries as one length-delimited value, by way of a bytes list."""
    wrapped = EXAMPLE().features.feature["x"].bytes_list
    wrapped.value.append(b"".join(entries))
    return bytes(wrapped.SerializeToString()[1:])


def stored(url: str) -> bytes:
    """The bytes of the file."""
    with fsspec.open(url, "rb") as file:
        return bytes(file.read())


def read_all(url: str, schema: pa.Schema = EXAMPLE_SCHEMA, **options: Any) -> pa.Table:
    """The whole file as a table."""
    return pa.Table.from_batches(read_tfrecord(url, schema=schema, **options), schema=schema)


@settings(deadline=None)
@given(records=RECORDS)
def test_messages_are_those_of_protobuf(records: list[dict[str, Any]]) -> None:
    """Each record is, byte for byte, what protobuf makes of it, with the features by name."""
    url = "memory://tfrecord/messages.tfrecord"
    write_tfrecord(pa.Table.from_pylist(records, schema=WIDE), url, schema=WIDE)

    messages = records_of(stored(url))
    assert [EXAMPLE.FromString(message) for message in messages] == [*map(built, records)]
    for message, record in zip(messages, records, strict=True):
        # A map is stored as its entries one after the other, here in the order of their names.
        entries = [
            built({name: record[name]}).features.SerializeToString() for name in sorted(record)
        ]
        assert message == b"\x0a" + with_length(entries)


@settings(deadline=None)
@given(records=RECORDS)
def test_any_value_comes_back(records: list[dict[str, Any]]) -> None:
    """Every text, integer and list of them is read as it was written."""
    url = "memory://tfrecord/values.tfrecord"
    table = pa.Table.from_pylist(records, schema=WIDE).drop_columns(["texts"])
    write_tfrecord(table, url, schema=table.schema)

    assert read_all(url, table.schema).equals(table)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.text(), st.text()), max_size=8))
def test_examples_come_back(make_examples: MakeExamples, pairs: list[tuple[str, str]]) -> None:
    """What is read equals what was written, in types and in digest."""
    url = "memory://tfrecord/examples.tfrecord"
    table = make_examples(pairs)
    written = write_tfrecord(table, url)

    back = read_all(url)
    assert back.equals(table)
    assert back.schema.equals(EXAMPLE_SCHEMA)
    assert content_digest(back) == content_digest(table)
    assert (written.rows, written.bytes) == (len(pairs), len(stored(url)))
    assert written.sha256 == hashlib.sha256(stored(url)).hexdigest()


def test_lengths_of_every_size_are_encoded() -> None:
    """Around each length where a varint grows by a byte, the message is protobuf's own."""
    schema = pa.schema([("text", pa.string())])
    sizes = [*range(100, 131), *range(16_358, 16_386, 3)]
    table = pa.table({"text": ["x" * size for size in sizes]}, schema=schema)
    write_tfrecord(table, "memory://tfrecord/lengths", schema=schema)

    expected = [built(row).SerializeToString() for row in table.to_pylist()]
    assert records_of(stored("memory://tfrecord/lengths")) == expected
    assert read_all("memory://tfrecord/lengths", schema).equals(table)


def test_bytes_do_not_depend_on_how_memory_is_chunked(make_examples: MakeExamples) -> None:
    """One chunk, small batches and a slice of more rows give the same file."""
    table = make_examples([(f"question {i}? " * (i % 9), str(i)) for i in range(20_000)])
    layouts = [
        table.combine_chunks(),
        pa.Table.from_batches(table.to_batches(max_chunksize=777)),
        pa.concat_tables([table.slice(19_999), table]).slice(1),
        table.select(table.column_names[::-1]),
    ]

    hashes = {write_tfrecord(layout, "memory://tfrecord/x").sha256 for layout in layouts}
    assert len(hashes) == 1
    assert read_all("memory://tfrecord/x").equals(table)


def test_long_and_short_records_mix(make_examples: MakeExamples) -> None:
    """A record longer than the reader's and writer's pieces keeps its place among short ones."""
    table = make_examples([("short", "1"), ("long " * 2_000_000, "2"), ("", ""), ("end", "4")])
    write_tfrecord(table, "memory://tfrecord/long")

    assert read_all("memory://tfrecord/long").equals(table)


def test_gzip_is_the_same_stream_compressed(make_examples: MakeExamples) -> None:
    """Compressed files have no name or time inside, and are recognised when read."""
    table = make_examples([("What?", "That.")] * 50)
    write_tfrecord(table, "memory://tfrecord/plain")
    written = write_tfrecord(table, "memory://tfrecord/squeezed", compression="gzip")

    squeezed = stored("memory://tfrecord/squeezed")
    assert squeezed[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert gzip.decompress(squeezed) == stored("memory://tfrecord/plain")
    assert written.bytes == len(squeezed)
    assert read_all("memory://tfrecord/squeezed").equals(table)
    assert read_all("memory://tfrecord/squeezed", compression="gzip").equals(table)


@settings(deadline=None)
@given(records=RECORDS.filter(bool))
def test_other_layouts_are_read_too(records: list[dict[str, Any]]) -> None:
    """Other programs may order, repeat or not pack fields, or add features; values count."""
    parts = []
    for record in records:
        # Concatenated protobuf messages merge: here one feature each, in reverse order.
        singles = [built({name: record[name]}) for name in sorted(record, reverse=True)]
        extra = built({"unknown": "x"})
        parts.append(b"".join(single.SerializeToString() for single in [extra, *singles]))
    fsspec.filesystem("memory").pipe("/tfrecord/foreign", framed(*parts))

    schema = WIDE.remove(3)
    expected = pa.Table.from_pylist(records, schema=WIDE).drop_columns(["texts"])
    assert read_all("memory://tfrecord/foreign", schema).equals(expected)


def test_unpacked_integers_are_read() -> None:
    """An int64 list with a field for each value is as valid as a packed one."""
    schema = pa.schema([("n", pa.list_(pa.int64()))])
    values = b"\x08\x05" + b"\x08" + b"\xff" * 9 + b"\x01"
    feature = b"\x1a" + bytes([len(values)]) + values
    entry = b"\x0a\x01n\x12" + bytes([len(feature)]) + feature
    features = b"\x0a" + bytes([len(entry)]) + entry
    message = b"\x0a" + bytes([len(features)]) + features
    fsspec.filesystem("memory").pipe("/tfrecord/unpacked", framed(message))

    assert read_all("memory://tfrecord/unpacked", schema)["n"].to_pylist() == [[5, -1]]


NUMBER = pa.schema([("number", pa.int32())])


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([{"number": 1}, {"other": "x"}], "record 1: the message has no feature 'number'"),
        ([{"number": [1, 2]}], "record 0: feature 'number' has 2 values, expected 1"),
        ([{"number": 2**31}], "record 0: .*2147483648"),
    ],
)
def test_a_message_of_another_shape_is_named(messages: list[dict[str, Any]], what: str) -> None:
    """Intact records that are no rows of ours are errors with their number."""
    content = framed(*(built(message).SerializeToString() for message in messages))
    fsspec.filesystem("memory").pipe("/tfrecord/shape", content)

    with pytest.raises(VerifyError, match=what):
        read_all("memory://tfrecord/shape", NUMBER)


@pytest.mark.parametrize(
    "message", [b"\x0a", b"\x0a\x05\x0a", b"\x0f", b"\xff" * 11, b"\x0a\x02\x0a\x7f"]
)
def test_a_message_that_is_no_protobuf_is_named(message: bytes) -> None:
    """Broken messages behind right CRCs are errors with their number."""
    good = built({"number": 3}).SerializeToString()
    fsspec.filesystem("memory").pipe("/tfrecord/broken", framed(good, message))

    with pytest.raises(VerifyError, match="record 1: the message is no protobuf"):
        read_all("memory://tfrecord/broken", NUMBER)


def test_damage_names_file_and_record(tmp_path: Path, make_examples: MakeExamples) -> None:
    """A wrong length, a wrong message, a cut and a broken gzip stream each say where."""
    path = tmp_path / "train.tfrecord"
    write_tfrecord(make_examples([("aaaa", "b"), ("cccc", "d"), ("eeee", "f")]), str(path))
    good = path.read_bytes()
    second = 16 + struct.unpack_from("<Q", good)[0]

    def changed(place: int) -> bytes:
        bad = bytearray(good)
        bad[place] ^= 1
        return bytes(bad)

    damages = {
        "record 1: the CRC of its length is wrong": changed(second),
        "record 1: the CRC of its data is wrong": changed(second + 20),
        "record 0: the CRC of its data is wrong": changed(second - 1),
        "record 2 is cut off": good[:-5],
        "record 3 is cut off after 3 bytes": good + b"abc",
        "record 3: the CRC of its length is wrong": good + b"\0" * 16,
        "the gzip stream is broken": gzip.compress(good)[:-9],
    }
    for what, bad in damages.items():
        path.write_bytes(bad)
        with pytest.raises(VerifyError, match=rf"train\.tfrecord: cannot be read.*: {what}"):
            read_all(str(path))


def test_what_cannot_be_held_is_refused() -> None:
    """Types without a feature kind, and nulls, are mistakes of the caller; no file appears."""
    floats = pa.table({"x": [1.5]})
    with pytest.raises(ValueError, match=r"'x' is double, which tf\.train\.Example cannot hold"):
        write_tfrecord(floats, "memory://tfrecord/none", schema=floats.schema)
    nulls = pa.table({"x": pa.array([None], pa.string())})
    with pytest.raises(ValueError, match="'x' has nulls"):
        write_tfrecord(nulls, "memory://tfrecord/none", schema=nulls.schema)

    assert not fsspec.filesystem("memory").exists("/tfrecord/none")


def test_tensorflow_reads_the_file(tmp_path: Path, make_examples: MakeExamples) -> None:
    """TensorFlow's own reader and parser give back every value."""
    tf = pytest.importorskip(
        "tensorflow",
        reason="TensorFlow is not installed; protobuf's own "
        "classes check the same bytes in the tests above",
    )
    table = make_examples([("What?", "That."), ("\u2028", ""), ("é", "\0")])
    path = str(tmp_path / "train.tfrecord")
    write_tfrecord(table, path)

    description = {
        "inputs": tf.io.FixedLenFeature([], tf.string),
        "targets": tf.io.FixedLenFeature([], tf.string),
        "draw": tf.io.FixedLenFeature([], tf.int64),
        "exemplar_rows": tf.io.RaggedFeature(tf.int64),
    }
    found = [
        tf.io.parse_single_example(record, description) for record in tf.data.TFRecordDataset(path)
    ]
    assert [
        {
            "inputs": row["inputs"].numpy().decode(),
            "targets": row["targets"].numpy().decode(),
            "draw": int(row["draw"]),
            "exemplar_rows": row["exemplar_rows"].numpy().tolist(),
        }
        for row in found
    ] == table.select(list(description)).to_pylist()
