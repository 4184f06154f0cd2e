"""Token sequences of one length, each of several whole examples, as Flan 2022 was trained.

For a decoder, `tokens` is prompt, end token, target, end token of each example after the
other; `loss_mask` is 1 where the loss is taken. With `target_length` prompts and targets are
two sequences that hold the same examples, for an encoder and a decoder. Either way segment
ids tell the examples apart, so that attention can be kept inside each, and `task_ids` and
`draws` name them. What was packed, and whether the mixture kept its ratio, stands in
`packing.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import dataset_readme, readme
from mixture_builder.export.packing_report import shard_counts, whole_report
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.targets import Setting, Target, choice, number_from
from mixture_builder.export.tokens import (
    BEGIN,
    END,
    EOS,
    NONE,
    between,
    check_marks,
    ended_tokens,
    joined_tokens,
    tokenizer_of,
)
from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.io.parquet import write_parquet
from mixture_builder.io.tfrecord import write_tfrecord
from mixture_builder.io.tokenizer import as_rows
from mixture_builder.packing import (
    TOO_LONG,
    Sequences,
    assign,
    lay_out,
    loss_mask,
    sequences,
)
from mixture_builder.token_lists import Lengths, TokenLists, starts_of

_SEQUENCES, _COUNTS = "sequences", "counts"
_PARQUET, _TFRECORD = "parquet", "tfrecord"

# Four numbers of 4 bytes a token: a file's table stays near 130 MB. To lay tokens out takes
# more than that, so it is done in smaller pieces.
_FILE_TOKENS, _PIECE_TOKENS = 1 << 23, 1 << 20

_USE = """\
Each row is one sequence. Positions count from 0 in each example, segment ids from 1; padding has
the segment id 0. Let tokens attend to those of the same segment only. {loss}

`packing.json` says how full the sequences are and how the mixture's ratio came out."""

_DECODER_LOSS = "Take the loss where `loss_mask` is 1."
_ENCODER_LOSS = "Take the loss on `targets` wherever `targets_segment_ids` is not 0."


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """Packs the examples of one split of one shard."""
    length, target_length = _lengths(context)
    window = int(context.settings["window"])
    if target_length:
        kinds = {
            "inputs": (ended_tokens(examples.column("inputs"), context), length),
            "targets": (ended_tokens(examples.column("targets"), context), target_length),
        }
        learned = kinds["targets"][0].lengths
        contexts = None
    else:
        whole = joined_tokens(examples, context)
        kinds = {"tokens": (whole.tokens, length)}
        contexts = whole.contexts
        learned = whole.tokens.lengths - contexts
    numbers = assign(
        [tokens.lengths for tokens, _ in kinds.values()],
        capacities=[capacity for _, capacity in kinds.values()],
        window=window,
    )
    chosen = sequences(numbers)
    padding = tokenizer_of(context).padding
    width = length + target_length
    for whole_file in _pieces(chosen, max(1, _FILE_TOKENS // width)):
        table = pa.concat_tables(
            _table(examples, piece, kinds, contexts, padding=padding)
            for piece in _pieces(whole_file, max(1, _PIECE_TOKENS // width))
        )
        if context.settings["container"] == _PARQUET:
            parts.add(_SEQUENCES, partial(write_parquet, table, schema=table.schema))
        else:
            parts.add(_SEQUENCES, partial(write_tfrecord, table, schema=table.schema))
    counts = shard_counts(
        examples,
        packed=numbers != TOO_LONG,
        tokens=np.sum([tokens.lengths for tokens, _ in kinds.values()], axis=0),
        learned=learned,
        sequences=len(chosen),
    )
    parts.add(_COUNTS, lambda url: _write_counts(counts, url))


def _pieces(chosen: Sequences, size: int) -> Iterator[Sequences]:
    for start in range(0, len(chosen), size):
        yield chosen.slice(start, min(start + size, len(chosen)))


def _table(
    examples: pa.Table,
    chosen: Sequences,
    kinds: Mapping[str, tuple[TokenLists, int]],
    contexts: Lengths | None,
    *,
    padding: int,
) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name, (tokens, capacity) in kinds.items():
        packed = lay_out(tokens, chosen, capacity=capacity, padding=padding)
        prefix = "" if contexts is not None else f"{name}_"
        columns[name] = as_rows(packed.tokens)
        columns[f"{prefix}segment_ids"] = as_rows(packed.segment_ids)
        columns[f"{prefix}positions"] = as_rows(packed.positions)
        if contexts is not None:
            columns["loss_mask"] = as_rows(loss_mask(packed, contexts, chosen))
    members = pa.array(chosen.members)
    offsets = pa.array(np.append(starts_of(chosen.counts), len(members)).astype(np.int32))
    for name, source in (("task_ids", "task_id"), ("draws", "draw")):
        values = examples.column(source).take(members).combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks)
        kind = pa.list_(pa.field("element", values.type, nullable=False))
        columns[name] = pa.ListArray.from_arrays(offsets, values, type=kind)
    fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


def _write_counts(counts: Mapping[str, Any], url: str) -> WrittenFile:
    with atomic_output(url) as output:
        output.write(json.dumps(counts).encode())
        return output.written(1)


def layout(series: str, split: str, context: ExportContext) -> str:
    """Parquet where `datasets` looks for it; TFRecord beside."""
    if series == _COUNTS:
        return ""
    return f"data/{split}-{{index:05d}}-of-{{count:05d}}.{context.settings['container']}"


def finish(context: ExportContext, placed: Placed) -> None:
    """The report, and a README."""
    length, target_length = _lengths(context)
    method = {
        "method": "next-k-fit: first fit among the sequences that are open",
        "window": int(context.settings["window"]),
        "length": length,
        **({"target_length": target_length} if target_length else {}),
    }
    splits = {
        split: [json.loads(counts) for counts in placed.read_beside(_COUNTS, split)]
        for split in context.splits
    }
    report = {**method, **whole_report(splits, room=length + target_length)}
    placed.add_text("packing.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    use = _USE.format(loss=_ENCODER_LOSS if target_length else _DECODER_LOSS)
    if context.settings["container"] == _PARQUET:
        text = dataset_readme(context, placed, default=_SEQUENCES, use=use)
    else:
        text = readme(context, placed, use=use)
    placed.add_text("README.md", text)
    for split, found in report["splits"].items():
        placed.report[f"{split} sequences"] = (
            f"{found['sequences']:,}, {100 * found['fill']:.1f} % full; "
            f"{found['too_long']:,} examples too long"
        )
    placed.report["largest change of a share"] = f"{100 * report['largest_change']:.2g} points"


def _lengths(context: ExportContext) -> tuple[int, int]:
    """Length of a sequence and, for an encoder with a decoder, of one of targets; or 0."""
    target = context.settings["target_length"]
    return int(context.settings["length"]), 0 if target == NONE else int(target)


TARGET = Target(
    name="packed",
    about="token sequences of one length, each of several whole examples: Parquet or TFRecord",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    joins=True,
    tokenizer=True,
    check=check_marks,
    settings={
        "length": Setting(
            default=None, about="tokens in a sequence, such as 2048", check=number_from(2)
        ),
        "target_length": Setting(
            default=NONE,
            about="tokens in a sequence of targets, for an encoder with a decoder; `length` is "
            f"then of the inputs; {NONE} for a decoder",
            check=number_from(1, others=[NONE]),
        ),
        "window": Setting(
            default="64",
            about="how many sequences are open at a time",
            check=number_from(1),
        ),
        "container": choice(
            _PARQUET, _TFRECORD, default=_PARQUET, about=f"{_PARQUET} or {_TFRECORD}"
        ),
        "between": between(EOS),
        "eos": END,
        "bos": BEGIN,
    },
)
