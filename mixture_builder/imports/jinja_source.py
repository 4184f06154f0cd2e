"""Writes Jinja for a syntax tree, so that reading it gives the same tree again.

Jinja itself has no way back from a tree to a text. Only what the sandbox knows is written;
white space control and comments are gone, since a tree does not hold them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import nodes

from mixture_builder.python_writer import COMPARISONS


class NotWritableError(Exception):
    """The tree holds a tag or an expression that has no place in a template of ours."""


def write_template(statements: Sequence[nodes.Node]) -> str:
    """The text of a template.

    Raises:
      NotWritableError: for a tag or an expression that is not known here.

    >>> from jinja2 import Environment
    >>> write_template(Environment().parse("{%- if a -%} {{a[ 'b' ]|join}}, {% endif %}").body)
    "{% if a %}{{ a['b'] | join }}, {% endif %}"
    """
    return "".join(_statement(statement) for statement in statements)


def _statement(node: nodes.Node) -> str:
    if isinstance(node, nodes.Output):
        return "".join(
            _data(part.data)
            if isinstance(part, nodes.TemplateData)
            else f"{{{{ {write_expression(part)} }}}}"
            for part in node.nodes
        )
    if isinstance(node, nodes.If):
        text = f"{{% if {write_expression(node.test)} %}}{write_template(node.body)}"
        for other in node.elif_:
            text += f"{{% elif {write_expression(other.test)} %}}{write_template(other.body)}"
        if node.else_:
            text += f"{{% else %}}{write_template(node.else_)}"
        return text + "{% endif %}"
    if isinstance(node, nodes.For) and not node.recursive:
        # Without parentheses an `if` of the expression would be taken for that of the loop.
        text = f"{{% for {_target(node.target)} in {_operand(node.iter)}"
        if node.test:
            text += f" if {write_expression(node.test)}"
        text += f" %}}{write_template(node.body)}"
        if node.else_:
            text += f"{{% else %}}{write_template(node.else_)}"
        return text + "{% endfor %}"
    raise NotWritableError(f"the tag of {type(node).__name__}")


_OPENS_TAG = re.compile(r"\{(?=[{%#]|\Z)")


def _data(text: str) -> str:
    """Text outside of tags; a brace that would open a tag is written as an expression."""
    return _OPENS_TAG.sub("{{ '{' }}", text)


def _target(node: nodes.Node) -> str:
    if isinstance(node, nodes.Tuple):
        return ", ".join(map(_target, node.items))
    if isinstance(node, nodes.Name):
        return str(node.name)
    raise NotWritableError(f"a loop over {type(node).__name__}")


def write_expression(node: nodes.Node) -> str:
    """The text of an expression.

    Raises:
      NotWritableError: as for `write_template`.
    """
    write = _WRITERS.get(type(node))
    if write is None:
        raise NotWritableError(f"an expression of kind {type(node).__name__}")
    return write(node)


_ATOMS: tuple[type[nodes.Node], ...] = (
    nodes.Const,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Call,
    nodes.List,
    nodes.Dict,
    nodes.Tuple,
)


def _atom(node: nodes.Node) -> str:
    """What may stand before `.`, `[`, `(` and after a sign."""
    text = write_expression(node)
    negative = isinstance(node, nodes.Const) and text.startswith("-")
    return text if isinstance(node, _ATOMS) and not negative else f"({text})"


def _operand(node: nodes.Node) -> str:
    """What may stand beside an operator."""
    return write_expression(node) if isinstance(node, nodes.Filter) else _atom(node)


def _side(node: nodes.Node) -> str:
    """What may stand beside a comparison or an arithmetic sign."""
    negative = isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const)
    return write_expression(node) if negative else _operand(node)


def _constant(node: nodes.Const) -> str:
    value = node.value
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    raise NotWritableError(f"the constant {value!r}")


def _quoted(text: str) -> str:
    mark = '"' if "'" in text and '"' not in text else "'"
    inside = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    inside = inside.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return f"{mark}{inside}{mark}"


def _dict(node: nodes.Dict) -> str:
    pairs = (f"{write_expression(p.key)}: {write_expression(p.value)}" for p in node.items)
    return "{" + ", ".join(pairs) + "}"


def _tuple(node: nodes.Tuple) -> str:
    inside = ", ".join(map(write_expression, node.items))
    return f"({inside},)" if len(node.items) == 1 else f"({inside})"


def _item(node: nodes.Getitem) -> str:
    if not isinstance(node.arg, nodes.Slice):
        return f"{_atom(node.node)}[{write_expression(node.arg)}]"
    steps = [node.arg.start, node.arg.stop, *([node.arg.step] if node.arg.step else [])]
    return f"{_atom(node.node)}[{':'.join(_operand(s) if s else '' for s in steps)}]"


def _arguments(node: Any) -> str:
    if node.dyn_args or node.dyn_kwargs:
        raise NotWritableError("arguments made of a list or a mapping")
    given = [write_expression(argument) for argument in node.args]
    named = [f"{pair.key}={write_expression(pair.value)}" for pair in node.kwargs]
    return ", ".join([*given, *named])


def _filter(node: nodes.Filter) -> str:
    if node.node is None:
        raise NotWritableError("a filter block")
    arguments = _arguments(node)
    applied = f"{node.name}({arguments})" if arguments else node.name
    return f"{_operand(node.node)} | {applied}"


def _test(node: nodes.Test) -> str:
    arguments = _arguments(node)
    return f"{_operand(node.node)} is {node.name}" + (f"({arguments})" if arguments else "")


def _comparison(node: nodes.Compare) -> str:
    pairs = (f"{COMPARISONS[operand.op]} {_side(operand.expr)}" for operand in node.ops)
    return " ".join([_operand(node.expr), *pairs])


def _choice(node: nodes.CondExpr) -> str:
    text = f"{_operand(node.expr1)} if {_operand(node.test)}"
    return f"{text} else {_operand(node.expr2)}" if node.expr2 else text


def _binary(sign: str) -> Callable[[Any], str]:
    return lambda node: f"{_side(node.left)} {sign} {_side(node.right)}"


_WRITERS: dict[type[nodes.Node], Callable[[Any], str]] = {
    nodes.Const: _constant,
    nodes.Name: lambda node: str(node.name),
    nodes.List: lambda node: f"[{', '.join(map(write_expression, node.items))}]",
    nodes.Dict: _dict,
    nodes.Tuple: _tuple,
    nodes.Getattr: lambda node: f"{_atom(node.node)}.{node.attr}",
    nodes.Getitem: _item,
    nodes.Call: lambda node: f"{_atom(node.node)}({_arguments(node)})",
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Compare: _comparison,
    nodes.CondExpr: _choice,
    nodes.Concat: lambda node: " ~ ".join(map(_operand, node.nodes)),
    nodes.Not: lambda node: f"not {_atom(node.node)}",
    nodes.Neg: lambda node: f"-{_atom(node.node)}",
    nodes.Pos: lambda node: f"+{_atom(node.node)}",
    nodes.And: _binary("and"),
    nodes.Or: _binary("or"),
    nodes.Add: _binary("+"),
    nodes.Sub: _binary("-"),
    nodes.Mul: _binary("*"),
    nodes.Div: _binary("/"),
    nodes.FloorDiv: _binary("//"),
    nodes.Mod: _binary("%"),
}
