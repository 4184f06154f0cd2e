"""Jinja as plain Python: the same text or the same error, many times faster.

A template from the allow-list below becomes one list comprehension over the columns it
reads; a field expression becomes one function over the upstream record. Anything else is
left to sandboxed Jinja. Compiled code never decides what an error is: a row for which it
raises is given to Jinja, whose result or error counts. So it only has to be right where
it succeeds, which the tests check on all shipped templates and on random ones.

The Python source is put together here from the syntax tree only: names become numbered
variables and constants become their `repr`, so nothing an author writes is executed as
Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeGuard

from jinja2 import Undefined, nodes

from mixture_builder.jinja_sandbox import (
    TEXT_METHODS,
    environment,
    expression_function,
    names_used,
    parse,
    parse_expression,
    render_function,
)

Columns = Mapping[str, Sequence[Any]]

_COMPARISONS = {
    "eq": "==",
    "ne": "!=",
    "gt": ">",
    "gteq": ">=",
    "lt": "<",
    "lteq": "<=",
    "in": "in",
    "notin": "not in",
}

_OPERATORS: dict[type[nodes.Node], str] = {
    nodes.And: "and",
    nodes.Or: "or",
    nodes.Add: "+",
    nodes.Sub: "-",
}

_FILTERS = frozenset(
    "abs capitalize count first float int join last length list lower replace round string title "
    "trim upper wordcount".split()
)
"""Filters that are called with their value and arguments, and perhaps the environment."""


_TOO_DEEP_FOR_PYTHON = (SyntaxError, RecursionError, MemoryError)
"""What Python's parser raises for source nested deeper than it can follow."""


class _NotCompilableError(Exception):
    """The tree holds something outside the allow-list."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledText:
    """One template text, ready to be rendered for many rows.

    Attributes:
      source: the Jinja text.
      names: the fields it reads.
      fallback: why it is rendered by Jinja itself; empty when it is compiled.
    """

    source: str
    names: tuple[str, ...]
    fallback: str
    _many: Callable[..., list[str]] | None
    _one: Callable[[dict[str, Any]], str]

    def render_many(self, columns: Columns, count: int) -> list[str | Exception]:
        """Stripped texts for `count` rows; where rendering fails, the error stands instead.

        Args:
          columns: a list of `count` values for each of `names`, at least.
          count: how many rows.
        """
        if self._many is not None:
            lists = [columns[name] for name in self.names if name in columns]
            if len(lists) == len(self.names):
                try:
                    return list(self._many(count, *lists))
                except Exception:  # noqa: BLE001, S110  (whatever failed, Jinja has the last word)
                    pass
        known = [name for name in self.names if name in columns]
        return [self._render(columns, known, index) for index in range(count)]

    def _render(self, columns: Columns, names: list[str], index: int) -> str | Exception:
        if self._many is not None and len(names) == len(self.names):
            try:
                return self._many(1, *([columns[name][index]] for name in names))[0]
            except Exception:  # noqa: BLE001, S110  (as above)
                pass
        try:
            return self._one({name: columns[name][index] for name in names}).strip()
        except Exception as problem:  # noqa: BLE001  (a row's error is data, not a crash)
            return problem


@lru_cache(maxsize=50_000)
def compile_text(source: str) -> CompiledText:
    """Compiles one template text.

    Raises:
      TemplateSyntaxError: as for `jinja_sandbox.parse`.
    """
    tree = parse(source)
    names = tuple(sorted(names_used(tree)))
    many, fallback = None, ""
    try:
        many = _build_text(tree, names)
    except _NotCompilableError as reason:
        fallback = str(reason)
    except _TOO_DEEP_FOR_PYTHON:
        fallback = "expressions nested too deep"
    return CompiledText(
        source=source, names=names, fallback=fallback, _many=many, _one=render_function(source)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledExpression:
    """One field expression over an upstream record.

    Attributes:
      source: the Jinja expression.
      names: top-level keys of the record that it reads.
      fallback: why it is evaluated by Jinja itself; empty when it is compiled.
    """

    source: str
    names: tuple[str, ...]
    fallback: str
    _fast: Callable[[dict[str, Any]], Any] | None
    _slow: Callable[[dict[str, Any]], Any]

    def __call__(self, record: dict[str, Any]) -> Any:
        """The value; raises what Jinja raises."""
        if self._fast is not None:
            try:
                value = self._fast(record)
                if not isinstance(value, Undefined):
                    return value
            except Exception:  # noqa: BLE001, S110  (whatever failed, Jinja has the last word)
                pass
        return self._slow({**record, "record": record})


@lru_cache(maxsize=50_000)
def compile_expression(source: str) -> CompiledExpression:
    """Compiles one field expression; the whole record is also seen as `record`.

    Raises:
      TemplateSyntaxError: as for `jinja_sandbox.parse_expression`.
    """
    tree = parse_expression(source)
    names = tuple(sorted(names_used(tree)))
    fast, fallback = None, ""
    try:
        fast = _build_expression(tree)
    except _NotCompilableError as reason:
        fallback = str(reason)
    except _TOO_DEEP_FOR_PYTHON:
        fallback = "expressions nested too deep"
    return CompiledExpression(
        source=source,
        names=names,
        fallback=fallback,
        _fast=fast,
        _slow=expression_function(source),
    )


def _build_text(tree: nodes.Template, names: tuple[str, ...]) -> Callable[..., list[str]]:
    writer = _Writer({name: f"v{index}" for index, name in enumerate(names)})
    body = writer.body(tree.body)
    if not names:
        code = f"lambda n: [{body}.strip()] * n"
    elif len(names) == 1:
        code = f"lambda n, c0: [{body}.strip() for v0 in c0]"
    else:
        lists = ", ".join(f"c{i}" for i in range(len(names)))
        values = ", ".join(f"v{i}" for i in range(len(names)))
        code = f"lambda n, {lists}: [{body}.strip() for {values} in zip({lists})]"
    built: Callable[..., list[str]] = writer.build(code)
    return built


def _build_expression(tree: nodes.Expr) -> Callable[[dict[str, Any]], Any]:
    writer = _Writer({name: f"r[{name!r}]" for name in names_used(tree) - {"record"}})
    writer.variables["record"] = "r"
    built: Callable[[dict[str, Any]], Any] = writer.build(f"lambda r: {writer.value(tree)}")
    return built


def _method(value: Any, name: str, *args: Any) -> Any:
    if type(value) is not str:
        raise _NotCompilableError
    if name == "replace":
        # Bounds on growth are the sandbox's business.
        raise _NotCompilableError
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


class _Writer:
    """Writes Python for a syntax tree; raises `_NotCompilableError` outside the allow-list."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = variables
        env = environment()
        context = nodes.EvalContext(env)
        self.scope: dict[str, Any] = {
            "__builtins__": {},
            "str": str,
            "zip": zip,
            "_method": _method,
        }
        self.scope["_env"], self.scope["_context"] = env, context
        self.depth = 0

    def build(self, code: str) -> Any:
        # `code` holds nothing an author wrote but constants, spelled by repr().
        tree = ast.fix_missing_locations(_JoinToFString().visit(ast.parse(code, mode="eval")))
        return eval(compile(tree, "<compiled template>", "eval"), self.scope)  # noqa: S307

    def body(self, statements: Sequence[nodes.Node]) -> str:
        """A Python expression of type str for a list of statements."""
        parts: list[str] = []
        for statement in statements:
            if isinstance(statement, nodes.Output):
                parts.extend(self.output(part) for part in statement.nodes)
            elif isinstance(statement, nodes.If):
                parts.append(self.condition(statement))
            elif isinstance(statement, nodes.For):
                parts.append(self.loop(statement))
            else:
                raise _NotCompilableError(f"the tag of {type(statement).__name__}")
        if len(parts) < 2:
            return parts[0] if parts else "''"
        return f"{_JOIN}({', '.join(parts)})"

    def output(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.TemplateData):
            return repr(node.data)
        return f"str({self.value(node)})"

    def condition(self, node: nodes.If) -> str:
        otherwise = self.body(node.else_)
        for other in reversed(node.elif_):
            otherwise = f"({self.body(other.body)} if {self.value(other.test)} else {otherwise})"
        return f"({self.body(node.body)} if {self.value(node.test)} else {otherwise})"

    def loop(self, node: nodes.For) -> str:
        if not isinstance(node.target, nodes.Name) or node.test or node.else_ or node.recursive:
            raise _NotCompilableError("a loop with a condition, an else or several targets")
        if any(n.name == "loop" for n in node.find_all(nodes.Name)):
            raise _NotCompilableError("the loop variable")
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
        return f"''.join([{body} for {variable} in {items}])"

    def value(self, node: nodes.Node) -> str:
        """A Python expression for the value of a Jinja expression."""
        write = self._writers.get(type(node))
        if write is None:
            raise _NotCompilableError(f"an expression of kind {type(node).__name__}")
        return write(self, node)

    def name(self, node: nodes.Name) -> str:
        if node.name not in self.variables:
            raise _NotCompilableError(f"the name '{node.name}'")
        return self.variables[node.name]

    def sequence(self, node: nodes.List) -> str:
        return "[" + ", ".join(self.value(item) for item in node.items) + "]"

    def mapping(self, node: nodes.Dict) -> str:
        pairs = (f"{self.value(p.key)}: {self.value(p.value)}" for p in node.items)
        return "{" + ", ".join(pairs) + "}"

    def choice(self, node: nodes.CondExpr) -> str:
        if node.expr2 is None:
            raise _NotCompilableError("an `if` without an `else` in an expression")
        then, otherwise = self.value(node.expr1), self.value(node.expr2)
        return f"({then} if {self.value(node.test)} else {otherwise})"

    def comparison(self, node: nodes.Compare) -> str:
        if len(node.ops) != 1:
            raise _NotCompilableError("a chain of comparisons")
        sign = _COMPARISONS[node.ops[0].op]
        return f"({self.value(node.expr)} {sign} {self.value(node.ops[0].expr)})"

    def binary(self, node: nodes.BinExpr) -> str:
        return f"({self.value(node.left)} {_OPERATORS[type(node)]} {self.value(node.right)})"

    def unary(self, node: nodes.UnaryExpr) -> str:
        if isinstance(node, nodes.Not):
            return f"(not {self.value(node.node)})"
        if isinstance(node.node, nodes.Const):
            return f"(-{self.constant(node.node.value)})"
        raise _NotCompilableError("a minus before what is no number")

    def concatenation(self, node: nodes.Concat) -> str:
        return "''.join([" + ", ".join(f"str({self.value(n)})" for n in node.nodes) + "])"

    _writers: ClassVar[dict[type[nodes.Node], Callable[[Any, Any], str]]] = {
        nodes.Const: lambda self, node: self.constant(node.value),
        nodes.Name: name,
        nodes.TemplateData: lambda _, node: repr(node.data),
        nodes.List: sequence,
        nodes.Dict: mapping,
        nodes.Getitem: lambda self, node: self.item(node),
        nodes.Filter: lambda self, node: self.filtered(node),
        nodes.CondExpr: choice,
        nodes.Compare: comparison,
        nodes.And: binary,
        nodes.Or: binary,
        nodes.Add: binary,
        nodes.Sub: binary,
        nodes.Not: unary,
        nodes.Neg: unary,
        nodes.Concat: concatenation,
        nodes.Call: lambda self, node: self.method(node),
    }

    def constant(self, value: Any) -> str:
        if value is None or isinstance(value, (str, bool, int)):
            return repr(value)
        raise _NotCompilableError(f"the constant {value!r}")

    def item(self, node: nodes.Getitem) -> str:
        if isinstance(node.arg, nodes.Slice):
            steps = [node.arg.start, node.arg.stop, node.arg.step]
            return f"{self.value(node.node)}[{':'.join(self.value(s) if s else '' for s in steps)}]"
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, (int, str)):
            return f"{self.value(node.node)}[{self.constant(node.arg.value)}]"
        # A computed key may be a name or a number; Python and Jinja agree when it is found.
        return f"{self.value(node.node)}[{self.value(node.arg)}]"

    def filtered(self, node: nodes.Filter) -> str:
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise _NotCompilableError(f"named arguments of the filter '{node.name}'")
        subject = node.node
        if node.name in {"list", "join", "first"} and _is_lazy(subject):
            # Jinja's generators are used up where they are made, so a list is as good.
            arguments = [self.lazy(subject), *map(self.value, node.args)]
        else:
            arguments = [self.value(subject), *map(self.value, node.args)]
        return self.applied(node.name, arguments)

    def applied(self, name: str, arguments: list[str]) -> str:
        """The call of a filter."""
        if name not in _FILTERS:
            raise _NotCompilableError(f"the filter '{name}'")
        found = environment().filters[name]
        passed = getattr(found, "jinja_pass_arg", None)
        if passed is not None:
            arguments = ["_env" if passed.name == "environment" else "_context", *arguments]
        self.scope[f"_f_{name}"] = found
        return f"_f_{name}({', '.join(arguments)})"

    def lazy(self, node: nodes.Filter) -> str:
        """A list for `map(attribute=...)` and for `select` or `reject` without a test."""
        assert node.node is not None
        items = self.lazy(node.node) if _is_lazy(node.node) else self.value(node.node)
        self.depth += 1
        item = f"x{self.depth}"
        if node.name == "map" and node.args:
            name = node.args[0]
            assert isinstance(name, nodes.Const)
            applied = self.applied(name.value, [item, *map(self.value, node.args[1:])])
            return f"[{applied} for {item} in {items}]"
        if node.name == "map":
            attribute = node.kwargs[0].value
            assert isinstance(attribute, nodes.Const)
            return f"[{item}[{attribute.value!r}] for {item} in {items}]"
        condition = item if node.name == "select" else f"not {item}"
        return f"[{item} for {item} in {items} if {condition}]"

    def method(self, node: nodes.Call) -> str:
        target = node.node
        if (
            not isinstance(target, nodes.Getattr)
            or target.attr not in TEXT_METHODS
            or node.kwargs
            or node.dyn_args
            or node.dyn_kwargs
        ):
            raise _NotCompilableError("a call")
        arguments = [self.value(target.node), repr(target.attr), *map(self.value, node.args)]
        return f"_method({', '.join(arguments)})"


def _is_lazy(node: nodes.Node | None) -> TypeGuard[nodes.Filter]:
    """Whether a filter makes a generator that `_Writer.lazy` knows how to write."""
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
