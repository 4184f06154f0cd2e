"""Texts put together by Arrow kernels: every text of many is a stretch of one array.

All literals and columns stand in one array of strings; a text is the list of the places it is
put together from. One `take` lays all of them down one after the other, so the texts are
already there: only the offsets have to be thinned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import nodes

from mixture_builder.canonical import plain_values
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import parse
from mixture_builder.template_texts import facts_of

WHITE_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What `str.strip` strips: Arrow's own idea of white space differs."""

_MAYBE_SPACE = np.zeros(256, dtype=bool)
"""Bytes that white space can begin or end with in UTF-8."""
for _character in WHITE_SPACE:
    _MAYBE_SPACE[_character.encode()[0]] = _MAYBE_SPACE[_character.encode()[-1]] = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Something that must hold of a draw's columns.

    Attributes:
      name: of a column of texts.
      value: what the text must be; `None` asks only that it is not empty.
      holds: whether the condition is that this is so, or that it is not.
    """

    name: str
    value: str | None
    holds: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPiece:
    """A part of a template: a text of its own, or a column, perhaps under conditions."""

    literal: str = ""
    name: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A template as pieces one after the other, or as the code that renders it row by row.

    Attributes:
      pieces: none for one that is rendered row by row, and for an empty text.
      names: the columns that it reads.
      row_by_row: Jinja text that is more than pieces.
    """

    pieces: tuple[TextPiece, ...]
    names: frozenset[str]
    row_by_row: str = ""


_MOST = 200_000
"""Programs that are held; far above what any recipe has."""

_programs: dict[tuple[str, bool], Program | None] = {}


def program_of(source: str, *, options_shown: bool) -> Program | None:
    """A template as a program, or `None` if it does more than a program can.

    Args:
      source: Jinja text.
      options_shown: whether `options_text` is there, which settles conditions on it.
    """
    key = (source, options_shown)
    if key not in _programs:
        if len(_programs) >= _MOST:
            _programs.clear()
        _programs[key] = _made(source, options_shown=options_shown)
    return _programs[key]


def _made(source: str, *, options_shown: bool) -> Program | None:
    pieces: list[TextPiece] = []
    if not _flatten(parse(source).body, pieces, (), options_shown=options_shown):
        return None
    joined: list[TextPiece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and not last.name and not piece.name and last.conditions == piece.conditions:
            joined[-1] = replace(last, literal=last.literal + piece.literal)
        else:
            joined.append(piece)
    return _program(tuple(piece for piece in joined if piece.name or piece.literal))


def _program(pieces: tuple[TextPiece, ...]) -> Program:
    shown = {piece.name for piece in pieces if piece.name}
    asked = {c.name for piece in pieces for c in piece.conditions}
    return Program(pieces=pieces, names=frozenset(shown | asked))


def programs_to_json(sources: Iterable[str]) -> list[Any]:
    """Plain data of the programs of some texts, for `know_programs`."""
    plain: list[Any] = []
    for source in sources:
        for shown in (False, True):
            program = program_of(source, options_shown=shown)
            pieces = program and [
                [p.literal, p.name, [[c.name, c.value, c.holds] for c in p.conditions]]
                for p in program.pieces
            ]
            plain.append([source, shown, pieces])
    return plain


def know_programs(plain: Sequence[Any]) -> None:
    """Takes programs that were worked out before, so that the texts need not be parsed."""
    for source, shown, pieces in plain:
        _programs[source, shown] = (
            None
            if pieces is None
            else _program(
                tuple(
                    TextPiece(
                        literal=literal,
                        name=name,
                        conditions=tuple(
                            Condition(name=asked, value=value, holds=holds)
                            for asked, value, holds in conditions
                        ),
                    )
                    for literal, name, conditions in pieces
                )
            )
        )


@lru_cache(maxsize=50_000)
def row_by_row(source: str) -> Program:
    """A template as a program that renders each row by itself; for those that need more."""
    return Program(pieces=(), names=facts_of(source).names, row_by_row=source)


def _flatten(
    body: Sequence[nodes.Node],
    pieces: list[TextPiece],
    conditions: tuple[Condition, ...],
    *,
    options_shown: bool,
) -> bool:
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.TemplateData):
                    pieces.append(TextPiece(literal=part.data, conditions=conditions))
                elif isinstance(part, nodes.Const) and isinstance(part.value, str):
                    pieces.append(TextPiece(literal=part.value, conditions=conditions))
                elif isinstance(part, nodes.Name):
                    if part.name != "options_text" or options_shown:
                        pieces.append(TextPiece(name=part.name, conditions=conditions))
                elif isinstance(part, nodes.CondExpr) and part.expr2 is not None:
                    if not _branches(
                        part.test,
                        [nodes.Output([part.expr1])],
                        [nodes.Output([part.expr2])],
                        pieces,
                        conditions,
                        options_shown=options_shown,
                    ):
                        return False
                else:
                    return False
        elif isinstance(node, nodes.If):
            otherwise: list[nodes.Node] = list(node.else_)
            for later in reversed(node.elif_):
                otherwise = [nodes.If(later.test, later.body, [], otherwise)]
            if not _branches(
                node.test, node.body, otherwise, pieces, conditions, options_shown=options_shown
            ):
                return False
        else:
            return False
    return True


def _branches(
    node: nodes.Node,
    then: Sequence[nodes.Node],
    otherwise: Sequence[nodes.Node],
    pieces: list[TextPiece],
    conditions: tuple[Condition, ...],
    *,
    options_shown: bool,
) -> bool:
    """Both ways of a condition, or the one that is known to be taken."""
    test = _condition(node, options_shown=options_shown)
    if test is None:
        return False
    if isinstance(test, bool):
        chosen = then if test else otherwise
        return _flatten(chosen, pieces, conditions, options_shown=options_shown)
    opposite = replace(test, holds=not test.holds)
    return _flatten(then, pieces, (*conditions, test), options_shown=options_shown) and _flatten(
        otherwise, pieces, (*conditions, opposite), options_shown=options_shown
    )


def _condition(node: nodes.Node, *, options_shown: bool) -> Condition | bool | None:
    """A condition on one column, a condition that is settled, or `None` for any other."""
    if isinstance(node, nodes.Not):
        inner = _condition(node.node, options_shown=options_shown)
        if isinstance(inner, bool):
            return not inner
        return replace(inner, holds=not inner.holds) if inner else None
    if isinstance(node, nodes.Name):
        if node.name == "options_text":
            return options_shown
        return Condition(name=node.name, value=None, holds=True)
    if isinstance(node, nodes.Compare) and len(node.ops) == 1:
        left, right = node.expr, node.ops[0].expr
        if (
            node.ops[0].op in {"eq", "ne"}
            and isinstance(left, nodes.Name)
            and left.name != "options_text"
            and isinstance(right, nodes.Const)
            and isinstance(right.value, str)
        ):
            return Condition(name=left.name, value=right.value, holds=node.ops[0].op == "eq")
    return None


def join_stretches(
    programs: Sequence[Program],
    stretches: Sequence[tuple[int, int]],
    columns: Mapping[str, pa.Array],
) -> pa.Array:
    """Stripped texts of draws of which each stretch has a program of its own.

    Args:
      programs: one for each stretch.
      stretches: first draw and one past the last, without gaps, from 0.
      columns: a value a draw, for every name; no nulls.

    Returns:
      The texts; an empty one where a row could not be rendered.
    """
    literals = {"": 0}
    for program in programs:
        for piece in program.pieces:
            literals.setdefault(piece.literal, len(literals))
    names = sorted({piece.name for program in programs for piece in program.pieces if piece.name})
    count = stretches[-1][1]
    bases = {name: len(literals) + number * count for number, name in enumerate(names)}
    strings = [pa.array(list(literals), pa.string()), *(columns[name] for name in names)]
    laid = len(literals) + len(names) * count
    tests: dict[tuple[str, str | None], npt.NDArray[np.bool_]] = {}
    places = []
    for program, (start, stop) in zip(programs, stretches, strict=True):
        if program.row_by_row:
            strings.append(_rendered(program, columns, start, stop))
            places.append(laid + np.arange(stop - start)[:, None])
            laid += stop - start
            continue
        pieces = program.pieces
        first = [bases[p.name] + start if p.name else literals[p.literal] for p in pieces]
        step = np.asarray([1 if p.name else 0 for p in pieces], dtype=np.int64)
        found = np.asarray(first, dtype=np.int64) + np.arange(stop - start)[:, None] * step
        for at, piece in enumerate(pieces):
            for condition in piece.conditions:
                test = condition.name, condition.value
                if test not in tests:
                    tests[test] = _holds(columns[condition.name], condition.value)
                # What is left out is an empty text.
                found[tests[test][start:stop] != condition.holds, at] = 0
        places.append(found)
    counts = np.repeat([p.shape[1] for p in places], [p.shape[0] for p in places])
    everything = pa.concat_arrays(strings)
    texts, _ = lay_down(everything, np.concatenate([p.ravel() for p in places]), counts)
    return stripped(texts)


def _rendered(program: Program, columns: Mapping[str, pa.Array], start: int, stop: int) -> pa.Array:
    values = {name: as_list(columns[name].slice(start, stop - start)) for name in program.names}
    texts = compile_text(program.row_by_row).render_many(values, stop - start)
    return pa.array([t if isinstance(t, str) else "" for t in texts], pa.string())


def as_list(column: pa.Array) -> list[Any]:
    """Python values of a column, as templates see them."""
    if pa.types.is_list(column.type):
        flat: list[Any] = column.flatten().to_pylist()
        ends = np.cumsum(column.value_lengths().to_numpy(zero_copy_only=False)).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    values: list[Any] = column.to_pylist()
    return plain_values(values) if pa.types.is_binary(column.type) else values


def _holds(column: pa.Array, value: str | None) -> npt.NDArray[np.bool_]:
    if value is None:
        lengths: npt.NDArray[Any] = pc.binary_length(column).to_numpy(zero_copy_only=False)
        return lengths > 0
    equal: npt.NDArray[np.bool_] = pc.equal(column, value).to_numpy(zero_copy_only=False)
    return equal


def lay_down(
    everything: pa.Array, places: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """Texts of which each is so many strings one after the other.

    Args:
      everything: the strings; no nulls.
      places: of the strings, those of one text after those of the one before.
      counts: how many each text has.

    Returns:
      The texts, and the byte of their data at which each string stands.
    """
    pieces = everything.take(pa.array(places))
    _, offsets, data = pieces.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[: len(pieces) + 1]
    thinned = ends[np.concatenate([[0], np.cumsum(counts)])]
    # Strings that are all empty come without data.
    laid = data if data is not None else pa.py_buffer(b"")
    return pa.StringArray.from_buffers(len(counts), pa.py_buffer(thinned), laid), ends


def stripped(texts: pa.Array) -> pa.Array:
    """Texts without white space at their ends, as `str.strip` leaves them."""
    _, offsets, data = texts.buffers()
    if data is None or not len(data):
        return texts
    start = texts.offset
    ends = np.frombuffer(offsets, dtype=np.int32)[start : start + len(texts) + 1]
    whole = ends[1:] > ends[:-1]
    held = np.frombuffer(data, dtype=np.uint8)
    first, last = held[ends[:-1][whole]], held[ends[1:][whole] - 1]
    # Nearly all texts begin and end with a letter: most need no look at their characters.
    if not (_MAYBE_SPACE[first].any() or _MAYBE_SPACE[last].any()):
        return texts
    return pc.utf8_trim(texts, characters=WHITE_SPACE)
