"""Jinja as plain Python: the same text or the same error, many times faster.

A template from the allow-list below becomes one list comprehension over the columns it
reads; a field expression becomes one function over the upstream record. Anything else is
left to sandboxed Jinja. Compiled code never decides what an error is: a row for which it
raises is given to Jinja, whose result or error counts. So it only has to be right where
it succeeds, which the tests check on all shipped templates and on random ones.

`python_writer` puts the Python source together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from jinja2 import Undefined, nodes

from mixture_builder.jinja_parsing import names_used, parse, parse_expression
from mixture_builder.jinja_running import expression_function, render_function
from mixture_builder.python_writer import TOO_DEEP_FOR_PYTHON, NotCompilableError, PythonWriter

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class CompiledText:
    """One template text, ready to be rendered for many rows.

    Attributes:
      source: the Jinja text.
      names: the fields it reads.
    """

    source: str
    names: tuple[str, ...]
    _one: Callable[[dict[str, Any]], str]

    @property
    def fallback(self) -> str:
        """Why it is rendered by Jinja itself; empty when it is compiled."""
        return self._compiled[1]

    def prepare(self) -> None:
        """Does now what the first rendering would do."""
        _ = self._compiled

    @property
    def _many(self) -> Callable[..., list[str]] | None:
        return self._compiled[0]

    @cached_property
    def _compiled(self) -> tuple[Callable[..., list[str]] | None, str]:
        # Python is written when rows are first rendered: a process that only checks a recipe,
        # or renders by columns, never needs it.
        try:
            return _build_text(parse(self.source), self.names), ""
        except NotCompilableError as reason:
            return None, str(reason)
        except TOO_DEEP_FOR_PYTHON:
            return None, "expressions nested too deep"

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
      TemplateSyntaxError: as for `jinja_parsing.parse`.
    """
    names = tuple(sorted(names_used(parse(source))))
    return CompiledText(source=source, names=names, _one=render_function(source))


@dataclass(frozen=True, kw_only=True)
class CompiledExpression:
    """One field expression over an upstream record.

    Attributes:
      source: the Jinja expression.
      names: top-level keys of the record that it reads.
    """

    source: str
    names: tuple[str, ...]
    _slow: Callable[[dict[str, Any]], Any]

    @property
    def fallback(self) -> str:
        """Why it is evaluated by Jinja itself; empty when it is compiled."""
        return self._compiled[1]

    @cached_property
    def _compiled(self) -> tuple[Callable[[dict[str, Any]], Any] | None, str]:
        # As for texts: a process that only reads cards never needs it.
        try:
            return _build_expression(parse_expression(self.source)), ""
        except NotCompilableError as reason:
            return None, str(reason)
        except TOO_DEEP_FOR_PYTHON:
            return None, "expressions nested too deep"

    def __call__(self, record: dict[str, Any]) -> Any:
        """The value; raises what Jinja raises."""
        fast = self._compiled[0]
        if fast is not None:
            try:
                value = fast(record)
                if not isinstance(value, Undefined):
                    return value
            except Exception:  # noqa: BLE001, S110  (whatever failed, Jinja has the last word)
                pass
        return self._slow({**record, "record": record})


@lru_cache(maxsize=50_000)
def compile_expression(source: str) -> CompiledExpression:
    """Compiles one field expression; the whole record is also seen as `record`.

    Raises:
      TemplateSyntaxError: as for `jinja_parsing.parse_expression`.
    """
    names = tuple(sorted(names_used(parse_expression(source))))
    return CompiledExpression(source=source, names=names, _slow=expression_function(source))


def _build_text(tree: nodes.Template, names: tuple[str, ...]) -> Callable[..., list[str]]:
    writer = PythonWriter({name: f"v{index}" for index, name in enumerate(names)})
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
    writer = PythonWriter({name: f"r[{name!r}]" for name in names_used(tree) - {"record"}})
    writer.variables["record"] = "r"
    built: Callable[[dict[str, Any]], Any] = writer.build(f"lambda r: {writer.value(tree)}")
    return built
