"""A template's text in its pieces: which letters are its own words, and which a name gave it.

Every expression that a template prints is noted while Jinja renders it, so nothing is guessed
from the finished text: a value may hold the very words that stand around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes, pass_context

from mixture_builder.jinja_bounds import writable
from mixture_builder.jinja_parsing import names_used, parse
from mixture_builder.jinja_sandbox import environment

_FILTER = "note this piece"
_NOTED = "pieces noted"
"""No template can say either of these names: both hold spaces."""

Names = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPiece:
    """One stretch of a rendered text.

    Attributes:
      names: what was printed, as the template names it; empty for its own words.
    """

    text: str
    names: Names


def text_pieces(source: str, row: Mapping[str, Any]) -> tuple[TextPiece, ...]:
    """The pieces of a template's text for one row; put together they are the stripped text.

    Raises:
      TemplateError: as for `jinja_running.render_function`; other errors of filters as they are.
    """
    noted: list[TextPiece] = []
    _noting(source).render({**row, _NOTED: noted})
    return stripped(noted)


def stripped(pieces: list[TextPiece]) -> tuple[TextPiece, ...]:
    """Pieces without the white space at both ends of what they come to; none is empty."""
    rest = list(pieces)
    while rest and not rest[0].text.lstrip():
        del rest[0]
    while rest and not rest[-1].text.rstrip():
        del rest[-1]
    if rest:
        rest[0] = TextPiece(text=rest[0].text.lstrip(), names=rest[0].names)
        rest[-1] = TextPiece(text=rest[-1].text.rstrip(), names=rest[-1].names)
    return tuple(piece for piece in rest if piece.text)


@pass_context
def _note(context: Any, value: Any, names: str) -> str:
    text = str(writable(value))
    context.resolve(_NOTED).append(TextPiece(text=text, names=tuple(names.split())))
    return text


@lru_cache(maxsize=20_000)
def _noting(source: str) -> Template:
    """The template with every printed expression under the filter that notes it."""
    parse(source)  # refuses what is not allowed here
    tree = environment().parse(source)
    _add_notes(tree, {})
    env = environment().overlay()
    env.filters = {**env.filters, _FILTER: _note}
    return env.from_string(tree)


def _add_notes(node: nodes.Node, bound: Mapping[str, Names]) -> None:
    """Puts the filter around what is printed below a node.

    Args:
      node: changed in place.
      bound: for each variable of the loops around, what the loop goes over.
    """
    if isinstance(node, nodes.Output):
        node.nodes = [_with_note(child, bound) for child in node.nodes]
        return
    if isinstance(node, nodes.For):
        over = _resolved(node.iter, bound)
        targets = [node.target, *node.target.find_all(nodes.Name)]
        inner = {**bound, "loop": (), **{t.name: over for t in targets if hasattr(t, "name")}}
        for child in node.body:
            _add_notes(child, inner)
        for child in node.else_:
            _add_notes(child, bound)
        return
    for child in node.iter_child_nodes():
        _add_notes(child, bound)


def _with_note(printed: nodes.Expr, bound: Mapping[str, Names]) -> nodes.Expr:
    own = isinstance(printed, nodes.TemplateData)
    names = () if own else _resolved(printed, bound)
    note = nodes.Const(" ".join(names), lineno=printed.lineno)
    return nodes.Filter(printed, _FILTER, [note], [], None, None, lineno=printed.lineno)


def _resolved(expression: nodes.Node, bound: Mapping[str, Names]) -> Names:
    """The names of the row that an expression reads, those of loop variables looked up."""
    found: dict[str, None] = {}
    for name in sorted(names_used(expression)):
        found.update(dict.fromkeys(bound.get(name, (name,))))
    return tuple(found)
