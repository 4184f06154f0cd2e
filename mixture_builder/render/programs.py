"""Templates as programs: pieces that columns of texts can be put together from.

Most templates only put texts and fields one after the other, some of them under a condition. Such
a one is a program: a list of pieces, each a text of its own or a column, which
`columnar_texts.join_texts` lays down for all draws at once. Others are rendered row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from mixture_builder.jinja_parsing import parse
from mixture_builder.template_texts import facts_of

Column = tuple[str, str | None, int | None]
"""What a piece shows of a column: its name, what stands between items, which item."""


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
    def column(self) -> Column:
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
