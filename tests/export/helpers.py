"""Small readers and a small tokenizer, written from the formats' descriptions alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.io.test_tfrecord import EXAMPLE, records_of

PAD, END, BEGIN, FIRST_BYTE = 0, 1, 2, 3


def examples_of(mixture: Path) -> list[dict[str, Any]]:
    """All examples of a mixture, shard by shard."""
    files = sorted((mixture / "data").glob("*.parquet"))
    rows: list[dict[str, Any]] = pa.concat_tables(pq.read_table(f) for f in files).to_pylist()
    return rows


def tfrecord_rows(files: list[Path]) -> list[dict[str, Any]]:
    """Examples of TFRecord files: both CRCs checked, the messages parsed by protobuf."""
    rows = []
    for file in files:
        for message in records_of(file.read_bytes()):
            features = EXAMPLE.FromString(message).features.feature
            rows.append(
                {
                    name: [value.decode() for value in feature.bytes_list.value]
                    or list(feature.int64_list.value)
                    for name, feature in features.items()
                }
            )
    return rows


def in_lists(row: dict[str, Any]) -> dict[str, list[Any]]:
    """A row as `tfrecord_rows` gives it: every value in a list."""
    return {name: value if isinstance(value, list) else [value] for name, value in row.items()}


def byte_ids(text: str) -> list[int]:
    """The token ids that the tokenizer of `write_byte_tokenizer` gives a text."""
    return [byte + FIRST_BYTE for byte in text.encode()]


def write_byte_tokenizer(
    path: Path, *, special: tuple[str, ...] = ("<pad>", "</s>", "<s>")
) -> Path:
    """Writes a `tokenizer.json` with a token for each byte, after the special ones."""
    # Byte-level tokenizers write bytes that are no printable letter as others from 256 on.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters |= {byte: chr(256 + place) for place, byte in enumerate(others)}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    content: dict[str, Any] = {
        "version": "1.0",
        # Both must be ignored: an export never cuts and never pads a text.
        "truncation": {
            "direction": "Right",
            "max_length": 5,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": {
            "strategy": {"Fixed": 64},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<pad>",
        },
        "added_tokens": [
            {"id": number, "content": name, "special": True, **flags}
            for number, name in enumerate(special)
        ],
        "normalizer": None,
        "pre_tokenizer": {**byte_level, "use_regex": True},
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: number for number, name in enumerate(special)}
            | {letters[byte]: byte + len(special) for byte in range(256)},
            "merges": [],
        },
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
