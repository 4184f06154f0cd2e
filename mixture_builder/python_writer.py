"""Writes Python source for the syntax tree of a Jinja template or expression.

The source is put together from the tree only: names become numbered variables and constants
become their `repr`, so nothing an author writes is executed as Python. What is outside the
allow-list is refused, and left to Jinja.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeGuard

from jinja2 import nodes

from mixture_builder.jinja_bounds import added, concatenated, joined_loop, writable
from mixture_builder.jinja_sandbox import LIST_METHODS, TEXT_METHODS, environment

COMPARISONS = {
    "eq": "==",
    "ne": "!=",
    "gt": ">",
    "gteq": ">=",
    "lt": "<",
    "lteq": "<=",
    "in": "in",
    "notin": "not in",
}
"""Jinja's names of comparisons, and how Jinja and Python write them."""

_OPERATORS: dict[type[nodes.Node], str] = {
    nodes.And: "and",
    nodes.Or: "or",
    nodes.Sub: "-",
}

_FILTERS = frozenset(
    "abs capitalize choice count first float int join last length list lower most_frequent replace "
    "round string title trim unescape upper wordcount".split()
)
"""Filters that are called with their value and arguments, and perhaps the environment."""


MAX_SHOWN = 30
"""Most values that a compiled template shows: all of them stand in memory before they are joined,
while Jinja gives up as soon as there is too much."""

TOO_DEEP_FOR_PYTHON = (SyntaxError, RecursionError, MemoryError)
"""What Python's parser raises for source nested deeper than it can follow."""


class NotCompilableError(Exception):
    """The tree holds something outside the allow-list."""


def _method(value: Any, name: str, *args: Any) -> Any:
    if type(value) is list and name in LIST_METHODS:
        return getattr(value, name)(*args)
    if type(value) is not str:
        raise NotCompilableError
    if name == "replace":
        # Bounds on growth are the sandbox's business.
        raise NotCompilableError
    return getattr(value, name)(*args)


_JOIN = "_join"


class _JoinToFString(ast.NodeTransformer):
    """Turns `_join(a, b, ...)` into an f-string, the fastest way to put texts together.

    Done on the tree because f-strings before Python 3.12 cannot hold every expression.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id != _JOIN:
            return node
        return ast.JoinedStr(values=[self._part(argument) for argument in node.args])

    def _part(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str":
            node = node.args[0]
        return ast.FormattedValue(value=node, conversion=-1)


class PythonWriter:
    """Writes Python for a syntax tree; raises `NotCompilableError` outside the allow-list."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        env = environment()
        context = nodes.EvalContext(env)
        self.scope: dict[str, Any] = {
            "__builtins__": {},
            "str": str,
            "zip": zip,
            "_method": _method,
            "_added": added,
            "_concatenated": concatenated,
            "_joined_loop": joined_loop,
            "_writable": writable,
        }
        self.scope["_env"], self.scope["_context"] = env, context
        self.depth = 0
        self.shown = 0

    def build(self, code: str) -> Any:
        """What an expression made of this writer's pieces evaluates to: a function."""
        # `code` holds nothing an author wrote but constants, spelled by repr().
        tree = ast.fix_missing_locations(_JoinToFString().visit(ast.parse(code, mode="eval")))
        return eval(compile(tree, "<compiled template>", "eval"), self.scope)  # noqa: S307

    def body(self, statements: Sequence[nodes.Node]) -> str:
        """A Python expression of type str for a list of statements."""
        parts: list[str] = []
        for statement in statements:
            if isinstance(statement, nodes.Output):
                parts.extend(self._output(part) for part in statement.nodes)
            elif isinstance(statement, nodes.If):
                parts.append(self._condition(statement))
            elif isinstance(statement, nodes.For):
                parts.append(self._loop(statement))
            else:
                raise NotCompilableError(f"the tag of {type(statement).__name__}")
        if len(parts) < 2:
            return parts[0] if parts else "''"
        return f"{_JOIN}({', '.join(parts)})"

    def _output(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.TemplateData):
            return repr(node.data)
        self.shown += 1
        if self.shown > MAX_SHOWN:
            raise NotCompilableError(f"more than {MAX_SHOWN} values shown")
        if isinstance(node, nodes.Name) and self._of_row(node.name):
            # What a record may hold is bounded where it is read.
            return f"str({self._name(node)})"
        return f"str(_writable({self.value(node)}))"

    def _of_row(self, name: str) -> bool:
        return self.variables.get(name, "").startswith("v")

    def _condition(self, node: nodes.If) -> str:
        otherwise = self.body(node.else_)
        for other in reversed(node.elif_):
            otherwise = f"({self.body(other.body)} if {self.value(other.test)} else {otherwise})"
        return f"({self.body(node.body)} if {self.value(node.test)} else {otherwise})"

    def _loop(self, node: nodes.For) -> str:
        if not isinstance(node.target, nodes.Name) or node.test or node.else_ or node.recursive:
            raise NotCompilableError("a loop with a condition, an else or several targets")
        if any(n.name == "loop" for n in node.find_all(nodes.Name)):
            raise NotCompilableError("the loop variable")
        name = node.target.name
        items = self.value(node.iter)
        before = self.variables.get(name)
        self.depth += 1
        self.variables[name] = f"x{self.depth}"
        body = self.body(node.body)
        variable = self.variables.pop(name)
        if before is not None:
            self.variables[name] = before
        # Jinja refuses to loop over what is no iterable, Python does as well.
        return f"_joined_loop({body} for {variable} in {items})"

    def value(self, node: nodes.Node) -> str:
        """A Python expression for the value of a Jinja expression."""
        write = self._writers.get(type(node))
        if write is None:
            raise NotCompilableError(f"an expression of kind {type(node).__name__}")
        return write(self, node)

    def _name(self, node: nodes.Name) -> str:
        if node.name not in self.variables:
            raise NotCompilableError(f"the name '{node.name}'")
        return self.variables[node.name]

    def _sequence(self, node: nodes.List) -> str:
        return "[" + ", ".join(self.value(item) for item in node.items) + "]"

    def _mapping(self, node: nodes.Dict) -> str:
        pairs = (f"{self.value(p.key)}: {self.value(p.value)}" for p in node.items)
        return "{" + ", ".join(pairs) + "}"

    def _choice(self, node: nodes.CondExpr) -> str:
        if node.expr2 is None:
            raise NotCompilableError("an `if` without an `else` in an expression")
        then, otherwise = self.value(node.expr1), self.value(node.expr2)
        return f"({then} if {self.value(node.test)} else {otherwise})"

    def _comparison(self, node: nodes.Compare) -> str:
        if len(node.ops) != 1:
            raise NotCompilableError("a chain of comparisons")
        sign = COMPARISONS[node.ops[0].op]
        return f"({self.value(node.expr)} {sign} {self.value(node.ops[0].expr)})"

    def _binary(self, node: nodes.BinExpr) -> str:
        return f"({self.value(node.left)} {_OPERATORS[type(node)]} {self.value(node.right)})"

    def _unary(self, node: nodes.UnaryExpr) -> str:
        if isinstance(node, nodes.Not):
            return f"(not {self.value(node.node)})"
        if isinstance(node.node, nodes.Const):
            return f"(-{self._constant(node.node.value)})"
        raise NotCompilableError("a minus before what is no number")

    def _concatenation(self, node: nodes.Concat) -> str:
        return "_concatenated([" + ", ".join(map(self.value, node.nodes)) + "])"

    def _sum(self, node: nodes.Add) -> str:
        return f"_added({self.value(node.left)}, {self.value(node.right)})"

    _writers: ClassVar[dict[type[nodes.Node], Callable[[Any, Any], str]]] = {
        nodes.Const: lambda self, node: self._constant(node.value),
        nodes.Name: _name,
        nodes.TemplateData: lambda _, node: repr(node.data),
        nodes.List: _sequence,
        nodes.Dict: _mapping,
        nodes.Getitem: lambda self, node: self._item(node),
        nodes.Filter: lambda self, node: self._filtered(node),
        nodes.CondExpr: _choice,
        nodes.Compare: _comparison,
        nodes.And: _binary,
        nodes.Or: _binary,
        nodes.Add: _sum,
        nodes.Sub: _binary,
        nodes.Not: _unary,
        nodes.Neg: _unary,
        nodes.Concat: _concatenation,
        nodes.Call: lambda self, node: self._method(node),
    }

    def _constant(self, value: Any) -> str:
        if value is None or isinstance(value, (str, bool, int)):
            return repr(value)
        raise NotCompilableError(f"the constant {value!r}")

    def _item(self, node: nodes.Getitem) -> str:
        if isinstance(node.arg, nodes.Slice):
            steps = [node.arg.start, node.arg.stop, node.arg.step]
            return f"{self.value(node.node)}[{':'.join(self.value(s) if s else '' for s in steps)}]"
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, (int, str)):
            return f"{self.value(node.node)}[{self._constant(node.arg.value)}]"
        # A computed key may be a name or a number; Python and Jinja agree when it is found.
        return f"{self.value(node.node)}[{self.value(node.arg)}]"

    def _filtered(self, node: nodes.Filter) -> str:
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise NotCompilableError(f"named arguments of the filter '{node.name}'")
        subject = node.node
        if node.name in {"list", "join", "first"} and _is_lazy(subject):
            # Jinja's generators are used up where they are made, so a list is as good.
            arguments = [self._lazy(subject), *map(self.value, node.args)]
        else:
            arguments = [self.value(subject), *map(self.value, node.args)]
        return self._applied(node.name, arguments)

    def _applied(self, name: str, arguments: list[str]) -> str:
        """The call of a filter."""
        if name not in _FILTERS:
            raise NotCompilableError(f"the filter '{name}'")
        found = environment().filters[name]
        passed = getattr(found, "jinja_pass_arg", None)
        if passed is not None:
            arguments = ["_env" if passed.name == "environment" else "_context", *arguments]
        self.scope[f"_f_{name}"] = found
        return f"_f_{name}({', '.join(arguments)})"

    def _lazy(self, node: nodes.Filter) -> str:
        """A list for `map(attribute=...)` and for `select` or `reject` without a test."""
        assert node.node is not None
        items = self._lazy(node.node) if _is_lazy(node.node) else self.value(node.node)
        self.depth += 1
        item = f"x{self.depth}"
        if node.name == "map" and node.args:
            name = node.args[0]
            assert isinstance(name, nodes.Const)
            applied = self._applied(name.value, [item, *map(self.value, node.args[1:])])
            return f"[{applied} for {item} in {items}]"
        if node.name == "map":
            attribute = node.kwargs[0].value
            assert isinstance(attribute, nodes.Const)
            return f"[{item}[{attribute.value!r}] for {item} in {items}]"
        condition = item if node.name == "select" else f"not {item}"
        return f"[{item} for {item} in {items} if {condition}]"

    def _method(self, node: nodes.Call) -> str:
        target = node.node
        if (
            not isinstance(target, nodes.Getattr)
            or target.attr not in TEXT_METHODS | LIST_METHODS
            or node.kwargs
            or node.dyn_args
            or node.dyn_kwargs
        ):
            raise NotCompilableError("a call")
        arguments = [self.value(target.node), repr(target.attr), *map(self.value, node.args)]
        return f"_method({', '.join(arguments)})"


def _is_lazy(node: nodes.Node | None) -> TypeGuard[nodes.Filter]:
    """Whether a filter makes a generator that `PythonWriter.lazy` knows how to write."""
    if not isinstance(node, nodes.Filter) or node.dyn_args or node.dyn_kwargs:
        return False
    if node.name == "map" and node.args:
        return not node.kwargs and isinstance(node.args[0], nodes.Const)
    if node.name == "map":
        return (
            len(node.kwargs) == 1
            and node.kwargs[0].key == "attribute"
            and isinstance(node.kwargs[0].value, nodes.Const)
            and isinstance(node.kwargs[0].value.value, str)
            and node.kwargs[0].value.value.isidentifier()
        )
    return node.name in {"select", "reject"} and not node.kwargs and not node.args
