"""Cuts the tree of one text in two: what stands before the separator, and what after it.

Whatever decides whether a text is shown stays on both sides. Where a condition decides
whether there is a separator at all, nothing may follow it: the side would depend on the row.
"""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import nodes

from mixture_builder.imports.promptsource_files import SEPARATOR, NotImportedError

Cut = tuple[list[nodes.Node], list[nodes.Node], bool, bool]
"""What stands before the separator, what after it, whether there may be one, and must."""


def cut(body: Sequence[nodes.Node]) -> Cut:
    """Statements before and after the separator.

    Raises:
      NotImportedError: where the separator stands in a loop, or there may be several.
    """
    before: list[nodes.Node] = []
    after: list[nodes.Node] = []
    found = certain = False
    for statement in body:
        if found and not certain and not is_blank(statement):
            raise NotImportedError(f"text follows a '{SEPARATOR}' that stands under a condition")
        left, right, here, always = _cut_one(statement)
        if here and found:
            raise NotImportedError(f"it has more than one '{SEPARATOR}'")
        if here:
            before.extend(left)
            after.extend(right)
            found, certain = True, always
        else:
            (after if found else before).append(statement)
    return before, after, found, certain


def _cut_one(node: nodes.Node) -> Cut:
    if isinstance(node, nodes.Output):
        return _cut_output(node)
    if isinstance(node, nodes.If):
        return _cut_condition(node)
    if any(SEPARATOR in data.data for data in node.find_all(nodes.TemplateData)):
        raise NotImportedError(f"'{SEPARATOR}' stands in a loop")
    return [node], [], False, False


def _cut_output(node: nodes.Output) -> Cut:
    sides: list[list[nodes.Expr]] = [[]]
    for part in node.nodes:
        if not isinstance(part, nodes.TemplateData):
            sides[-1].append(part)
            continue
        first, *others = part.data.split(SEPARATOR)
        sides[-1].append(nodes.TemplateData(first))
        sides.extend([nodes.TemplateData(text)] for text in others)
    if len(sides) > 2:
        raise NotImportedError(f"it has more than one '{SEPARATOR}'")
    if len(sides) == 1:
        return [node], [], False, False
    return [nodes.Output(sides[0])], [nodes.Output(sides[1])], True, True


def _cut_condition(node: nodes.If) -> Cut:
    tests = [node.test, *(other.test for other in node.elif_)]
    cuts = [cut(body) for body in (node.body, *(other.body for other in node.elif_), node.else_)]
    if not any(found for _, _, found, _ in cuts):
        return [node], [], False, False
    sides = []
    for side in (0, 1):
        bodies = [part[side] for part in cuts]
        others = [nodes.If(t, b, [], []) for t, b in zip(tests[1:], bodies[1:-1], strict=True)]
        sides.append(nodes.If(tests[0], bodies[0], others, bodies[-1]))
    return [sides[0]], [sides[1]], True, all(certain for *_, certain in cuts)


def is_blank(node: nodes.Node) -> bool:
    """Whether a statement prints nothing but white space."""
    return isinstance(node, nodes.Output) and all(
        isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
    )
