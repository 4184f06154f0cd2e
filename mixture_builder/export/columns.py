"""From the columns of a finished mixture to those that consumers read, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.io.example_schema import EXAMPLE_COLUMNS

PROVENANCE: tuple[str, ...] = tuple(
    name for name in EXAMPLE_COLUMNS if name not in {"inputs", "targets"}
)
"""Columns that say where an example comes from, for consumers that leave others alone."""

SIMPLE_PROVENANCE: tuple[str, ...] = tuple(n for n in PROVENANCE if n != "exemplar_rows")
"""The same without lists, for JSON Lines: readers that infer types from the first lines take a
list that is empty there for a list of nothing. `task_id` and `draw` still name the example."""


def pick(
    examples: pa.Table, columns: Mapping[str, pa.ChunkedArray], *, keep: Sequence[str] = ()
) -> pa.Table:
    """A table of new columns and some old ones, none of which may be null.

    Args:
      examples: the columns of a finished mixture.
      columns: those that come first, by name.
      keep: names of columns that follow as they are.
    """
    named = {**columns, **{name: examples.column(name) for name in keep}}
    fields = []
    for name, column in named.items():
        known = examples.schema.field(name) if name in keep else None
        fields.append(known or pa.field(name, column.type, nullable=False))
    return pa.table(list(named.values()), schema=pa.schema(fields))


def separated(examples: pa.Table, separator: str) -> pa.ChunkedArray:
    """The targets, each with the separator before it.

    A separator is never put after the prompt: the target's first token would swallow it, and
    what is tokenised as prompt would not be a beginning of the whole.
    """
    targets = examples.column("targets")
    if not separator:
        return targets
    return pc.binary_join_element_wise(pa.scalar(separator), targets, pa.scalar(""))


def joined(examples: pa.Table, separator: str) -> pa.ChunkedArray:
    """Prompt, separator and target as one text."""
    return pc.binary_join_element_wise(
        examples.column("inputs"), examples.column("targets"), pa.scalar(separator)
    )


def pairs(
    examples: pa.Table, *, names: tuple[str, str], separator: str = "", keep: Sequence[str]
) -> pa.Table:
    """Prompts and targets under the names that a reader knows them by.

    Args:
      examples: the columns of a finished mixture.
      names: of the two columns.
      separator: with which every target begins; see `separated`.
      keep: as for `pick`.
    """
    prompt, target = names
    columns = {prompt: examples.column("inputs"), target: separated(examples, separator)}
    return pick(examples, columns, keep=keep)


def chats(examples: pa.Table, *, keep: Sequence[str]) -> pa.Table:
    """Each example as `messages`, in the form that most readers know; `keep` as for `pick`."""
    return pick(examples, {"messages": messages(examples)}, keep=keep)


def messages(
    examples: pa.Table,
    *,
    keys: tuple[str, str] = ("role", "content"),
    roles: tuple[str, str] = ("user", "assistant"),
) -> pa.ChunkedArray:
    """Each example as two messages: the prompt from the user, the target from the assistant.

    Args:
      examples: the columns of a finished mixture.
      keys: what the two fields of a message are called.
      roles: what user and assistant are called.
    """
    table = examples.combine_chunks()
    count = table.num_rows
    pieces = [*table.column("inputs").chunks, *table.column("targets").chunks]
    texts = pa.concat_arrays(pieces) if pieces else pa.array([], pa.string())
    order = pa.array(range(2 * count), pa.int64())
    # 0, n, 1, n + 1, ...: prompts and targets in turn.
    places = pc.add(
        pc.divide(order, 2), pc.multiply(pc.bit_wise_and(order, 1), pa.scalar(count, pa.int64()))
    )
    content = texts.take(places)
    role = pa.DictionaryArray.from_arrays(
        pc.bit_wise_and(order, 1).cast(pa.int32()), pa.array(roles, pa.string())
    ).dictionary_decode()
    turns = pa.StructArray.from_arrays(
        [role, content],
        fields=[pa.field(key, pa.string(), nullable=False) for key in keys],
    )
    offsets = pa.array(range(0, 2 * count + 1, 2), pa.int32())
    kind = pa.list_(pa.field("element", turns.type, nullable=False))
    return pa.chunked_array([pa.ListArray.from_arrays(offsets, turns, type=kind)])
