"""Templates and expressions as functions of a row, run by Jinja in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, Undefined

from mixture_builder.jinja_parsing import parse, parse_expression
from mixture_builder.jinja_sandbox import OnlyCallable, environment


def render_function(source: str) -> Callable[[dict[str, Any]], str]:
    """Sandboxed Jinja rendering of one template, not yet stripped.

    Raises (from the returned function):
      TemplateError: an undefined name, a forbidden access, or a failing filter.
    """
    parse(source)
    return lambda row: _template(source).render(row)


@lru_cache(maxsize=20_000)
def _template(source: str) -> Template:
    """Jinja's own compilation, made when a row first needs it: most texts never do."""
    return environment().from_string(source)


def expression_function(source: str) -> Callable[[dict[str, Any]], Any]:
    """Sandboxed evaluation of one expression; an undefined result is an error.

    Raises (from the returned function):
      TemplateError: as for `render_function`.
    """
    parse_expression(source)

    def evaluate(record: dict[str, Any]) -> Any:
        value = _expression(source)(record)
        if isinstance(value, (StrictUndefined, OnlyCallable)):
            # Asking for the text of what is undefined, or not called, raises its own message.
            str(value)
        # An `if` without `else` says that nothing is meant where it does not hold.
        return None if isinstance(value, Undefined) else value

    return evaluate


@lru_cache(maxsize=20_000)
def _expression(source: str) -> Callable[..., Any]:
    return environment().compile_expression(source, undefined_to_none=False)


def describe(problem: Exception) -> str:
    """One line that says why a template or an expression failed for a row."""
    text = str(problem).strip().split("\n")[0] or "no reason given"
    if isinstance(problem, TemplateError):
        return text
    return f"{type(problem).__name__}: {text}"
