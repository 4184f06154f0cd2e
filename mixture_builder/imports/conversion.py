"""One template of promptsource to an input and a target of ours, by syntax tree.

Theirs is rendered as one text and cut at `|||` afterwards; ours are two texts, each rendered
alone. So the tree is cut instead: whatever decides whether a text is shown stays on both
sides. Variables (`set`) are replaced by what they stand for, `answer_choices` by the list
that it is, and columns get names that fields of a card can have. `choice` is given the
number that the example brings, and so chooses the same in both texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from mixture_builder.imports.cutting import cut, is_blank
from mixture_builder.imports.jinja_source import NotWritableError, write_template
from mixture_builder.imports.promptsource_files import (
    SEPARATOR,
    NotImportedError,
    UpstreamTemplate,
)
from mixture_builder.jinja_parsing import names_used, parse, parse_any
from mixture_builder.jinja_sandbox import FUNCTION_NAMES

MAX_NODES = 5_000
"""Largest tree that variables may make of a template once they are replaced."""

_ATTRIBUTES = frozenset(name for kind in (dict, int, float) for name in dir(kind))
"""Names that mappings and numbers have as attributes: `x.name` is then not `x['name']`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """Texts of a template of ours."""

    input: str
    target: str


def columns_used(template: UpstreamTemplate) -> frozenset[str]:
    """Names that a template may read from its record; its own variables may be among them.

    Raises:
      NotImportedError: for what is no Jinja.
    """
    texts = [template.jinja, template.answer_choices or ""]
    found = frozenset().union(*(names_used(_tree(text)) for text in texts))
    return found - {"answer_choices", "loop"}


def convert(template: UpstreamTemplate, *, field: Callable[[str], str]) -> Converted:
    """Says a template in our format.

    Args:
      template: theirs.
      field: the name of the field that a column becomes.

    Raises:
      NotImportedError: with the reason.
    """
    try:
        return _converted(template, field)
    except RecursionError:
        raise NotImportedError("its variables make it nested too deep") from None


def _converted(template: UpstreamTemplate, field: Callable[[str], str]) -> Converted:
    tree = _tree(template.jinja)
    choices = _tree(template.answer_choices) if template.answer_choices is not None else None
    numbers = choice_numbers(tree, choices)
    bare = {field(name) for name in columns_used(template)}
    inliner = _Inliner(numbers=numbers, field=field, choices=choices, taken=frozenset(bare))
    body = inliner.statements(tree.body, {})
    before, after, found, _ = cut(body)
    if not found:
        raise NotImportedError(f"it has no '{SEPARATOR}' between prompt and target")
    texts = []
    for part, name in ((before, "prompt"), (after, "target")):
        text = _written(part).strip()
        if not text:
            raise NotImportedError(f"its {name} is empty")
        if SEPARATOR in text:
            raise NotImportedError(f"'{SEPARATOR}' stands where it parts nothing")
        texts.append(text)
    return Converted(input=texts[0], target=texts[1])


def choice_numbers(tree: nodes.Template, choices: nodes.Template | None) -> Mapping[int, int]:
    """For each `choice` in a template, by the id of its node, which one it is."""
    trees = [tree, *([choices] if choices is not None else [])]
    found = [f for t in trees for f in t.find_all(nodes.Filter) if f.name == "choice"]
    return {id(node): number for number, node in enumerate(found, start=1)}


def _tree(source: str) -> nodes.Template:
    try:
        return parse_any(source)
    except TemplateSyntaxError as problem:
        raise NotImportedError(f"no valid Jinja: {problem.message}") from None


def _written(body: Sequence[nodes.Node]) -> str:
    """Text of a tree, which the sandbox has accepted."""
    try:
        text = write_template(body)
        parse(text)
    except NotWritableError as problem:
        raise NotImportedError(f"it uses {problem}") from None
    except TemplateSyntaxError as problem:
        raise NotImportedError(str(problem.message).split(";", maxsplit=1)[0]) from None
    return text


# --- Variables and answer choices replaced -------------------------------------------------

_Scope = dict[str, nodes.Expr]


class _Inliner:
    """Replaces names by what they stand for."""

    def __init__(
        self,
        *,
        numbers: Mapping[int, int],
        field: Callable[[str], str],
        choices: nodes.Template | None,
        taken: frozenset[str],
    ) -> None:
        self._numbers = numbers
        self._field = field
        self._choices = choices
        self._taken = taken
        self._sizes: dict[int, tuple[nodes.Node, int]] = {}

    def statements(self, body: Sequence[nodes.Node], scope: _Scope) -> list[nodes.Node]:
        """The statements without assignments; `scope` gets what they assign."""
        result: list[nodes.Node] = []
        for statement in body:
            if isinstance(statement, nodes.Output):
                result.append(nodes.Output([self._part(n, scope) for n in statement.nodes]))
            elif isinstance(statement, nodes.Assign):
                if not isinstance(statement.target, nodes.Name):
                    raise NotImportedError("it sets something other than one variable")
                scope[statement.target.name] = self.expression(statement.node, scope)
            elif isinstance(statement, nodes.If):
                condition = self._condition(statement, scope)
                # Nothing is left of one that only sets variables.
                if any(o.body for o in (condition, *condition.elif_)) or condition.else_:
                    result.append(condition)
            elif isinstance(statement, nodes.For):
                result.append(self._loop(statement, scope))
            else:
                raise NotImportedError(f"it uses the tag of {type(statement).__name__}")
            if result:
                self._bound(result[-1])
            for value in scope.values():
                self._bound(value)
        return result

    def _part(self, node: nodes.Expr, scope: _Scope) -> nodes.Expr:
        if isinstance(node, nodes.TemplateData):
            return node
        value = self.expression(node, scope)
        # A text in an expression is a text; it may also hold what parts prompt and target.
        if isinstance(value, nodes.Const) and isinstance(value.value, str):
            return nodes.TemplateData(value.value)
        return value

    def _condition(self, node: nodes.If, scope: _Scope) -> nodes.If:
        branches = [(node.test, node.body), *((o.test, o.body) for o in node.elif_)]
        tests, bodies, scopes = [], [], []
        for test, body in branches:
            tests.append(self.expression(test, scope))
            scopes.append(dict(scope))
            bodies.append(self.statements(body, scopes[-1]))
        scopes.append(dict(scope))
        otherwise = self.statements(node.else_, scopes[-1])
        for name in sorted({n for s in scopes for n in s if s[n] is not scope.get(n)}):
            if any(name not in s for s in scopes):
                raise NotImportedError(f"it sets '{name}' under a condition only")
            value = scopes[-1][name]
            for test, inner in reversed([*zip(tests, scopes, strict=False)]):
                value = nodes.CondExpr(test, inner[name], value)
            scope[name] = value
        others = [nodes.If(t, b, [], []) for t, b in zip(tests[1:], bodies[1:], strict=True)]
        return nodes.If(tests[0], bodies[0], others, otherwise)

    def _loop(self, node: nodes.For, scope: _Scope) -> nodes.For:
        if node.recursive:
            raise NotImportedError("it uses a recursive loop")
        items = self.expression(node.iter, scope)
        inner = dict(scope)
        meant = {n.name for value in scope.values() for n in _names(value)}
        variables = [value for name, value in scope.items() if name != "loop"]
        if any(n.name == "loop" for value in variables for n in _names(value)):
            raise NotImportedError("a variable stands for the place in a loop around it")
        inner["loop"] = nodes.Name("loop", "load")
        for bound in _targets(node.target):
            name = bound.name
            # The loop's own name must not hide what a field or a variable stands for.
            while name in self._taken | meant | {"chance", "loop"}:
                name += "_item"
            inner[bound.name] = nodes.Name(name, "load")
        test = self.expression(node.test, inner) if node.test else None
        target = _renamed(node.target, inner)
        body = self.statements(node.body, dict(inner))
        otherwise = self.statements(node.else_, dict(scope))
        recursive = False
        return nodes.For(target, items, body, otherwise, test, recursive)

    def expression(self, node: nodes.Node, scope: _Scope) -> nodes.Expr:
        """An expression in which names are replaced."""
        if isinstance(node, nodes.Name):
            return self._name(node, scope)
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            if node.node.name not in FUNCTION_NAMES:
                raise NotImportedError(f"it calls '{node.node.name}'")
            if node.kwargs or node.dyn_args or node.dyn_kwargs:
                raise NotImportedError(f"it calls '{node.node.name}' with named arguments")
            arguments = [self.expression(a, scope) for a in node.args]
            return nodes.Call(nodes.Name(node.node.name, "load"), arguments, [], None, None)
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
            return self._method(node, node.node, scope)
        changed = _rebuilt(node, lambda child: self.expression(child, scope))
        if isinstance(node, nodes.Filter) and node.name == "choice":
            if node.args or node.kwargs:
                raise NotImportedError("'choice' has arguments")
            chance = [nodes.Name("chance", "load"), nodes.Const(self._numbers[id(node)])]
            return nodes.Filter(changed.node, "choice", chance, [], None, None)
        if isinstance(changed, nodes.Getattr) and changed.attr not in _ATTRIBUTES:
            if isinstance(changed.node, nodes.Name) and changed.node.name == "loop":
                return changed
            return nodes.Getitem(changed.node, nodes.Const(changed.attr), "load")
        result: nodes.Expr = _picked(changed)
        return result

    def _method(self, call: nodes.Call, method: nodes.Getattr, scope: _Scope) -> nodes.Expr:
        owner = self.expression(method.node, scope)
        if call.kwargs or call.dyn_args or call.dyn_kwargs:
            raise NotImportedError(f"it calls '{method.attr}' with named arguments")
        arguments = [self.expression(argument, scope) for argument in call.args]
        if method.attr == "join" and len(arguments) == 1:
            return nodes.Filter(arguments[0], "join", [owner], [], None, None)
        return nodes.Call(nodes.Getattr(owner, method.attr, "load"), arguments, [], None, None)

    def _name(self, node: nodes.Name, scope: _Scope) -> nodes.Expr:
        if node.name in scope:
            return scope[node.name]
        if node.name == "answer_choices":
            if self._choices is None:
                return nodes.Const(None)
            return self._listed(self._choices.body)
        if node.name in {"caller", "self", "super", "varargs", "kwargs", "loop"}:
            raise NotImportedError(f"it uses the name '{node.name}'")
        return nodes.Name(self._field(node.name), "load")

    def _bound(self, node: nodes.Node) -> None:
        if self._size(node) > MAX_NODES:
            raise NotImportedError("its variables make it too large")

    def _size(self, node: nodes.Node) -> int:
        # Variables share their parts: what is measured once need not be gone through again.
        known = self._sizes.get(id(node))
        if known is None:
            size = 1 + sum(self._size(child) for child in node.iter_child_nodes())
            known = self._sizes[id(node)] = (node, size)
        return known[1]

    # The list that `answer_choices` stands for.

    def _listed(self, body: Sequence[nodes.Node]) -> nodes.Expr:
        real = [s for s in body if not is_blank(s)]
        if len(real) == 1 and isinstance(real[0], nodes.If) and real[0].else_:
            return self._listed_under_condition(real[0])
        if not all(isinstance(s, nodes.Output) for s in real):
            raise NotImportedError("its prompt shows answer choices that a loop or an if makes")
        pieces: list[list[nodes.Expr]] = [[]]
        for part in (part for s in real if isinstance(s, nodes.Output) for part in s.nodes):
            value = self._part(part, {})
            if not isinstance(value, nodes.TemplateData):
                pieces[-1].append(value)
                continue
            first, *others = value.data.split(SEPARATOR)
            pieces[-1].append(nodes.TemplateData(first))
            pieces.extend([nodes.TemplateData(text)] for text in others)
        return _joined_lists([_choices_of(piece) for piece in pieces])

    def _listed_under_condition(self, node: nodes.If) -> nodes.Expr:
        result = self._listed(node.else_)
        for branch in reversed([node, *node.elif_]):
            result = nodes.CondExpr(
                self.expression(branch.test, {}), self._listed(branch.body), result
            )
        return result


def _picked(node: nodes.Expr) -> nodes.Expr:
    """`[a, b][0]` is `a`; other expressions are what they are."""
    if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.List):
        place = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if type(place) is int and 0 <= place < len(node.node.items):
            return node.node.items[place]
    return node


def _choices_of(piece: Sequence[nodes.Expr]) -> nodes.Expr | list[nodes.Expr]:
    """One choice, or an expression for a list of them."""
    parts = [p for p in piece if not (isinstance(p, nodes.TemplateData) and not p.data.strip())]
    if len(parts) == 1 and isinstance(parts[0], nodes.Filter) and parts[0].name == "join":
        joined = parts[0]
        mark = joined.args[0] if len(joined.args) == 1 and not joined.kwargs else None
        if isinstance(mark, nodes.Const) and str(mark.value).strip() == SEPARATOR:
            trimmed = nodes.Filter(joined.node, "map", [nodes.Const("trim")], [], None, None)
            return nodes.Filter(trimmed, "list", [], [], None, None)
    texts = [nodes.Const(p.data) if isinstance(p, nodes.TemplateData) else p for p in piece]
    texts = [t for t in texts if not (isinstance(t, nodes.Const) and t.value == "")]
    if all(isinstance(t, nodes.Const) for t in texts):
        return [nodes.Const("".join(t.value for t in texts).strip())]  # type: ignore[attr-defined]
    if len(parts) == 1:
        # White space around it is trimmed with it.
        return [nodes.Filter(parts[0], "trim", [], [], None, None)]
    return [nodes.Filter(nodes.Concat(texts), "trim", [], [], None, None)]


def _joined_lists(parts: Sequence[nodes.Expr | list[nodes.Expr]]) -> nodes.Expr:
    lists: list[nodes.Expr] = []
    for part in parts:
        if not isinstance(part, list):
            lists.append(part)
        elif lists and isinstance(lists[-1], nodes.List):
            lists[-1] = nodes.List([*lists[-1].items, *part])
        else:
            lists.append(nodes.List(part))
    result = lists[0]
    for other in lists[1:]:
        result = nodes.Add(result, other)
    return result


def _rebuilt(node: Any, change: Callable[[Any], Any]) -> Any:
    """A node like another, with its children changed."""
    values = []
    for _, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            values.append(change(value))
        elif isinstance(value, list):
            values.append([change(v) if isinstance(v, nodes.Node) else v for v in value])
        else:
            values.append(value)
    return type(node)(*values)


def _names(tree: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(tree, nodes.Name):
        yield tree
    yield from tree.find_all(nodes.Name)


def _targets(target: nodes.Node) -> Iterator[nodes.Name]:
    for part in target.items if isinstance(target, nodes.Tuple) else [target]:
        if not isinstance(part, nodes.Name):
            raise NotImportedError("it loops over something other than variables")
        yield part


def _renamed(target: nodes.Node, scope: _Scope) -> nodes.Node:
    names = [nodes.Name(scope[t.name].name, "store") for t in _targets(target)]  # type: ignore[attr-defined]
    return nodes.Tuple(names, "store") if isinstance(target, nodes.Tuple) else names[0]
