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

from mixture_builder.jinja_bounds import MAX_RENDERED
from mixture_builder.jinja_parsing import names_used, parse, parse_expression
from mixture_builder.jinja_running import expression_function, render_function
from mixture_builder.python_writer import TOO_DEEP_FOR_PYTHON, NotCompilableError, PythonWriter

Columns = Mapping[str, Sequence[Any]]

_FIRST_ROWS = 8
"""Rows of which it is seen how long texts are before more are rendered at once."""

_HELD_CHARACTERS = 64_000_000
"""About what the texts that are rendered at once may come to."""


class TextTooLongError(Exception):
    """A text was rendered and let go, for nobody wants one of its length.

    Args:
      length: in characters.
    """

    def __init__(self, length: int) -> None:
        super().__init__(f"{length} characters")
        self.length = length


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

    def render_many(
        self, columns: Columns, count: int, *, longest: int = 0
    ) -> list[str | Exception]:
        """Stripped texts for `count` rows; where rendering fails, the error stands instead.

        Args:
          columns: a list of `count` values for each of `names`, at least.
          count: how many rows.
          longest: characters a text may have; in place of a longer one stands a
            `TextTooLongError`, so that few of them are in memory at once. 0 for any number.
        """
        if not longest:
            return self._texts(columns, count)
        result: list[str | Exception] = []
        some = _FIRST_ROWS
        while len(result) < count:
            start, stop = len(result), min(count, len(result) + some)
            texts = self._texts(
                {name: columns[name][start:stop] for name in self.names if name in columns},
                stop - start,
            )
            lengths = [len(text) if isinstance(text, str) else 0 for text in texts]
            result += [
                TextTooLongError(length) if length > longest else text
                for text, length in zip(texts, lengths, strict=True)
            ]
            some = max(1, min(4 * some, _HELD_CHARACTERS // (1 + max(lengths))))
        return result

    def _texts(self, columns: Columns, count: int) -> list[str | Exception]:
        known = [name for name in self.names if name in columns]
        if len(known) == len(self.names):
            texts = self._quickly(count, *(columns[name] for name in known))
            if texts is not None:
                return list(texts)
        return [self._render(columns, known, index) for index in range(count)]

    def _quickly(self, count: int, *lists: Sequence[Any]) -> list[str] | None:
        """The texts if compiled code makes them all, and none is longer than Jinja's may be."""
        if self._many is None:
            return None
        try:
            texts = self._many(count, *lists)
        except MemoryError:
            # It says nothing of the row: with more memory the text would be there.
            raise
        except Exception:  # noqa: BLE001  (whatever failed, Jinja has the last word)
            return None
        return texts if max(map(len, texts), default=0) <= MAX_RENDERED else None

    def _render(self, columns: Columns, names: list[str], index: int) -> str | Exception:
        if len(names) == len(self.names):
            texts = self._quickly(1, *([columns[name][index]] for name in names))
            if texts is not None:
                return texts[0]
        try:
            return self._one({name: columns[name][index] for name in names}).strip()
        except MemoryError:
            raise
        except Exception as problem:  # noqa: BLE001  (a row's error is data, not a crash)
            # Where it was raised would keep all that stood there in memory, for each row.
            problem.__context__ = problem.__cause__ = None
            return problem.with_traceback(None)


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
