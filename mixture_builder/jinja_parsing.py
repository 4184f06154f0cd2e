"""Texts of cards and templates as syntax trees, with what the sandbox has no place for refused.

Tags that bring in other texts or change names, filters and tests that are not on its lists, and
nestings that no real template has are mistakes of the text, found before it is ever run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError, nodes

from mixture_builder.jinja_sandbox import FUNCTION_NAMES, environment

MAX_LOOP_DEPTH = 2

MAX_DEPTH = 50
"""Deepest nesting of a syntax tree; Jinja's own parser and Python's fail soon beyond it."""

_FORBIDDEN = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter block",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.With: "with",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_FORBIDDEN_KINDS: tuple[type[nodes.Node], ...] = tuple(_FORBIDDEN)


_RESERVED = frozenset(["self", "super", "caller", "varargs", "kwargs"])
"""Names that Jinja gives a meaning of its own."""


@lru_cache(maxsize=20_000)
def parse(source: str) -> nodes.Template:
    """The syntax tree of a template; the same object for the same text, not to be changed.

    Raises:
      TemplateSyntaxError: with line and message, for anything that is no Jinja, and for
        tags, filters, tests and nestings that are not allowed here.
    """
    tree = parse_any(source)
    _check(tree, environment())
    return tree


def parse_any(source: str) -> nodes.Template:
    """The syntax tree of a text that may hold what is not allowed here: to be read, never run.

    Raises:
      TemplateSyntaxError: for what is no Jinja, or nested too deep.
    """
    try:
        tree = environment().parse(source)
        depth = _depth(tree)
    except RecursionError:
        raise TemplateSyntaxError(_TOO_DEEP, 1) from None
    except (ValueError, OverflowError) as problem:
        # Python refuses whole numbers of thousands of digits.
        raise TemplateSyntaxError(str(problem).split(";", maxsplit=1)[0], 1) from None
    if depth > MAX_DEPTH:
        raise TemplateSyntaxError(_TOO_DEEP, 1)
    return tree


_TOO_DEEP = f"found expressions or tags nested too deep; expected at most {MAX_DEPTH} levels"


def _depth(node: nodes.Node) -> int:
    return 1 + max((_depth(child) for child in node.iter_child_nodes()), default=0)


def parse_expression(source: str) -> nodes.Expr:
    """The syntax tree of one expression, as stands in a card's `fields`.

    Raises:
      TemplateSyntaxError: as for `parse`.
    """
    tree = parse("{{ (" + source + "\n) }}")
    if not source.strip():
        raise TemplateSyntaxError("expected an expression, found none", 1)
    if (
        len(tree.body) != 1
        or not isinstance(tree.body[0], nodes.Output)
        or len(tree.body[0].nodes) != 1
        or isinstance(tree.body[0].nodes[0], nodes.TemplateData)
    ):
        raise TemplateSyntaxError("expected one expression, without {{ }} or text around it", 1)
    return tree.body[0].nodes[0]


def _check(tree: nodes.Template, env: Environment) -> None:
    for node in tree.find_all(nodes.Node):
        if isinstance(node, _FORBIDDEN_KINDS):
            word = next(word for kind, word in _FORBIDDEN.items() if isinstance(node, kind))
            raise TemplateSyntaxError(f"'{word}' is not allowed", node.lineno)
        if isinstance(node, nodes.Name) and node.name in _RESERVED:
            raise TemplateSyntaxError(f"the name '{node.name}' is not allowed", node.lineno)
        if isinstance(node, nodes.Filter) and node.name not in env.filters:
            raise TemplateSyntaxError(
                f"found the filter '{node.name}'; expected one of {', '.join(env.filters)}",
                node.lineno,
            )
        if isinstance(node, nodes.Test) and node.name not in env.tests:
            raise TemplateSyntaxError(
                f"found the test '{node.name}'; expected one of {', '.join(env.tests)}", node.lineno
            )
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateSyntaxError("a recursive loop is not allowed", node.lineno)
    depth = _loop_depth(tree)
    if depth > MAX_LOOP_DEPTH:
        raise TemplateSyntaxError(
            f"found loops nested {depth} deep; expected at most {MAX_LOOP_DEPTH}", 1
        )


def _loop_depth(node: nodes.Node) -> int:
    below = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)


def names_used(tree: nodes.Node) -> frozenset[str]:
    """Names that a tree reads from its row; a loop's variables count outside the loop only."""
    if isinstance(tree, nodes.Name):
        return frozenset([tree.name] if tree.ctx == "load" else [])
    if isinstance(tree, nodes.Call) and isinstance(tree.node, nodes.Name):
        called = frozenset([tree.node.name]) - FUNCTION_NAMES
        given = (child for child in tree.iter_child_nodes() if child is not tree.node)
        return called | _names_of(given)
    if isinstance(tree, nodes.For):
        inside = _names_of([*tree.body, *([tree.test] if tree.test else [])])
        bound = {n.name for n in _targets(tree.target)} | {"loop"}
        return names_used(tree.iter) | (inside - bound) | _names_of(tree.else_)
    return _names_of(tree.iter_child_nodes())


def _names_of(trees: Iterable[nodes.Node]) -> frozenset[str]:
    return frozenset().union(*(names_used(tree) for tree in trees))


def _targets(target: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(target, nodes.Name):
        yield target
    yield from target.find_all(nodes.Name)
