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
from mixture_builder.draw import Indices
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_parsing import parse
from mixture_builder.jinja_sandbox import MAX_TEXT
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
    """A part of a template: a text of its own, or a column, perhaps under conditions.

    Attributes:
      name: of a column of texts; of lists, if either of the next two is there.
      between: what stands between the items of a list that is shown whole.
      item: which item of a list is shown.
    """

    literal: str = ""
    name: str = ""
    conditions: tuple[Condition, ...] = ()
    between: str | None = None
    item: int | None = None

    @property
    def column(self) -> tuple[str, str | None, int | None]:
        """What is shown, but for the text of its own."""
        return self.name, self.between, self.item

    @property
    def of_list(self) -> bool:
        """Whether the column is one of lists."""
        return self.between is not None or self.item is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A template as pieces one after the other, or as the code that renders it row by row.

    Attributes:
      pieces: none for one that is rendered row by row, and for an empty text.
      names: the columns that it reads.
      lists: those of them that hold lists of texts.
      row_by_row: Jinja text that is more than pieces.
    """

    pieces: tuple[TextPiece, ...]
    names: frozenset[str]
    lists: frozenset[str] = frozenset()
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
    program = _program(tuple(piece for piece in joined if piece.name or piece.literal))
    return program if _reads_alike(program) else None


def _program(pieces: tuple[TextPiece, ...]) -> Program:
    shown = {piece.name for piece in pieces if piece.name}
    asked = {c.name for piece in pieces for c in piece.conditions}
    lists = {piece.name for piece in pieces if piece.of_list}
    return Program(pieces=pieces, names=frozenset(shown | asked), lists=frozenset(lists))


def _reads_alike(program: Program) -> bool:
    """Whether what is shown as a list is a list wherever it is read."""
    as_texts = {p.name for p in program.pieces if p.name and not p.of_list}
    as_texts |= {c.name for p in program.pieces for c in p.conditions if c.value is not None}
    return program.lists.isdisjoint(as_texts)


def programs_to_json(sources: Iterable[str]) -> list[Any]:
    """Plain data of the programs of some texts, for `know_programs`."""
    plain: list[Any] = []
    for source in sources:
        for shown in (False, True):
            program = program_of(source, options_shown=shown)
            pieces = program and [
                [
                    p.literal,
                    p.name,
                    [[c.name, c.value, c.holds] for c in p.conditions],
                    p.between,
                    p.item,
                ]
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
                        between=between,
                        item=item,
                    )
                    for literal, name, conditions, between, item in pieces
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
                if not _flatten_part(part, pieces, conditions, options_shown=options_shown):
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
            loop = _loop(node) if isinstance(node, nodes.For) else None
            if loop is None:
                return False
            pieces.extend(replace(p, conditions=(*conditions, *p.conditions)) for p in loop)
    return True


def _flatten_part(
    part: nodes.Node,
    pieces: list[TextPiece],
    conditions: tuple[Condition, ...],
    *,
    options_shown: bool,
) -> bool:
    if isinstance(part, nodes.CondExpr) and part.expr2 is not None:
        return _branches(
            part.test,
            [nodes.Output([part.expr1])],
            [nodes.Output([part.expr2])],
            pieces,
            conditions,
            options_shown=options_shown,
        )
    if isinstance(part, nodes.Name) and part.name == "options_text" and not options_shown:
        return True
    piece = _simple(part)
    if piece is not None:
        pieces.append(replace(piece, conditions=conditions))
    return piece is not None


def _simple(part: nodes.Node) -> TextPiece | None:
    """A text, a field, or what is shown of a field of lists."""
    if isinstance(part, nodes.TemplateData):
        return TextPiece(literal=part.data)
    if isinstance(part, nodes.Const) and isinstance(part.value, str):
        return TextPiece(literal=part.value)
    if isinstance(part, nodes.Name):
        return TextPiece(name=part.name)
    return _of_list(part)


def _of_list(node: nodes.Node) -> TextPiece | None:
    """`field[2]` and `field | join(", ")` as pieces."""
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Name):
        at = node.arg
        if isinstance(at, nodes.Const) and type(at.value) is int and at.value >= 0:
            return TextPiece(name=node.node.name, item=at.value)
    if (
        isinstance(node, nodes.Filter)
        and node.name == "join"
        and isinstance(node.node, nodes.Name)
        and not node.kwargs
        and len(node.args) <= 1
        and node.dyn_args is None
        and node.dyn_kwargs is None
    ):
        between = [a.value for a in node.args if isinstance(a, nodes.Const)]
        if len(between) == len(node.args) and all(isinstance(b, str) for b in between):
            return TextPiece(name=node.node.name, between="".join(between))
    return None


def _loop(node: nodes.For) -> tuple[TextPiece, ...] | None:
    """`{% for x in field %}- {{ x }};{% endfor %}` as pieces: the items with texts around them."""
    if (
        node.recursive
        or node.test is not None
        or node.else_
        or not isinstance(node.target, nodes.Name)
        or not isinstance(node.iter, nodes.Name)
    ):
        return None
    parts: list[nodes.Node] = []
    for inner in node.body:
        if not isinstance(inner, nodes.Output):
            return None
        parts += inner.nodes
    around = ["", ""]
    shown = 0
    for part in parts:
        if isinstance(part, nodes.TemplateData):
            around[shown] += part.data
        elif isinstance(part, nodes.Name) and part.name == node.target.name and not shown:
            shown = 1
        else:
            return None
    if not shown:
        return None
    before, after = around
    name = node.iter.name
    some = (Condition(name=name, value=None, holds=True),)
    return (
        TextPiece(literal=before, conditions=some),
        TextPiece(name=name, between=after + before),
        TextPiece(literal=after, conditions=some),
    )


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


def join_texts(
    programs: Sequence[Program],
    members: Sequence[Indices],
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices] | None = None,
) -> pa.Array:
    """Stripped texts of draws, each put together as its program says.

    Args:
      programs: any.
      members: for each program the draws it is for; each draw is among those of one.
      columns: a value a draw, for every name; no nulls.
      places: for columns that hold the values of some draws only: for each draw the place of
        its value.

    Returns:
      The texts; an empty one where a row could not be rendered.
    """
    literals = {"": 0}
    for program in programs:
        for piece in program.pieces:
            literals.setdefault(piece.literal, len(literals))
    count = sum(map(len, members))
    strings = [pa.array(list(literals), pa.string())]
    laid = len(literals)
    shown: dict[tuple[str, str | None, int | None], _Laid] = {}
    for piece in {p.column: p for program in programs for p in program.pieces if p.name}.values():
        texts, unsound = _texts_of(piece, columns[piece.name])
        where = places.get(piece.name) if places else None
        shown[piece.column] = _Laid(base=laid, places=where, unsound=unsound)
        strings.append(texts)
        laid += len(texts)
    counts = np.zeros(count, dtype=np.int64)
    for program, mine in zip(programs, members, strict=True):
        counts[mine] = 1 if program.row_by_row else len(program.pieces)
    ends = np.cumsum(counts)
    starts = ends - counts
    found = np.empty(int(ends[-1]) if count else 0, dtype=np.int64)
    tests: dict[tuple[str, str | None], npt.NDArray[np.bool_]] = {}
    for program, mine in zip(programs, members, strict=True):
        at = starts[mine]
        if program.row_by_row:
            strings.append(_rendered(program, columns, places or {}, mine))
            found[at] = laid + np.arange(len(mine))
            laid += len(mine)
            continue
        lost = np.zeros(len(mine), dtype=bool)
        for slot, piece in enumerate(program.pieces):
            chosen: Indices | int = literals[piece.literal]
            if piece.name:
                column = shown[piece.column]
                chosen = column.base + (mine if column.places is None else column.places[mine])
            met = np.ones(len(mine), dtype=bool) if piece.conditions else None
            for condition in piece.conditions:
                test = condition.name, condition.value
                if test not in tests:
                    tests[test] = _holds(columns[condition.name], condition.value)
                met &= tests[test][mine] == condition.holds
            # What is left out is an empty text.
            found[at + slot] = chosen if met is None else np.where(met, chosen, 0)
            if piece.name and column.unsound is not None:
                lost |= column.unsound[mine] if met is None else column.unsound[mine] & met
        if lost.any():
            width = len(program.pieces)
            found[(at[lost][:, None] + np.arange(width)).ravel()] = 0
    texts, _ = lay_down(pa.concat_arrays(strings), found, counts)
    return stripped(texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Laid:
    """A column among the strings that texts are put together from.

    Attributes:
      base: where its first value stands.
      places: for each draw the place of its value; `None` where that is the draw's own.
      unsound: values that have to be rendered by themselves; `None` where none have to.
    """

    base: int
    places: Indices | None
    unsound: npt.NDArray[np.bool_] | None


def _texts_of(piece: TextPiece, column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_] | None]:
    """What a piece shows of a column, and where it cannot be told from the column."""
    if piece.between is not None:
        joined = pc.binary_join(column, piece.between)
        lengths = pc.binary_length(joined).to_numpy(zero_copy_only=False)
        # Above this, the sandbox has a say.
        return joined, lengths > MAX_TEXT if lengths.max(initial=0) > MAX_TEXT else None
    if piece.item is not None:
        sizes = column.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
        missing = sizes <= piece.item
        items = pa.concat_arrays([column.flatten(), pa.array([""], pa.string())])
        at = np.where(missing, len(items) - 1, np.cumsum(sizes) - sizes + piece.item)
        return items.take(pa.array(at)), missing if missing.any() else None
    return column, None


def _rendered(
    program: Program,
    columns: Mapping[str, pa.Array],
    places: Mapping[str, Indices],
    mine: Indices,
) -> pa.Array:
    values = {
        name: as_list(columns[name].take(pa.array(places[name][mine] if name in places else mine)))
        for name in program.names
    }
    texts = compile_text(program.row_by_row).render_many(values, len(mine))
    return pa.array([t if isinstance(t, str) else "" for t in texts], pa.string())


def as_list(column: pa.Array) -> list[Any]:
    """Python values of a column, as templates see them."""
    if pa.types.is_list(column.type):
        flat: list[Any] = column.flatten().to_pylist()
        # `to_numpy` would import pandas: too long a wait for a single record.
        lengths = np.frombuffer(column.value_lengths().buffers()[1], dtype=np.int32)
        ends = np.cumsum(lengths[: len(column)]).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    values: list[Any] = column.to_pylist()
    return plain_values(values) if pa.types.is_binary(column.type) else values


def _holds(column: pa.Array, value: str | None) -> npt.NDArray[np.bool_]:
    if pa.types.is_list(column.type):
        sizes: npt.NDArray[Any] = column.value_lengths().to_numpy(zero_copy_only=False)
        return sizes > 0
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
