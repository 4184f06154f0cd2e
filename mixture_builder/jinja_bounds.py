"""Bounds on what templates and field expressions make: one of a stranger cannot fill the memory.

Each operation makes at most `MAX_TEXT` characters, so what the next one is given is bounded too,
however many stand one after the other. What an operation would come to is found out before it is
made wherever it could be many times what it is given: where texts are joined or replaced, and
where lists, which may hold one text a thousand times, are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any

from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.nodes import Concat
from jinja2.utils import pass_eval_context

MAX_RANGE = 1_000
"""Most numbers that `range` may count."""

MAX_TEXT = 16_000_000
"""Most characters that one operation may make; far above any real record."""

MAX_RENDERED = 100_000_000
"""Most characters, and most pieces, that a whole text may come to: more than any record read."""

MAX_ITEMS = 100_000
"""Most items that `batch` and `slice` may fill up to."""

MAX_DIGITS = 100
"""Most digits that `round` may be asked for."""

_HOLDERS = (list, tuple, dict)

_ONLY_LOOK = frozenset(["count", "first", "last", "length"])
"""Filters that write nothing and make nothing, of lists of any length."""

_OF_ONE_TEXT = frozenset("capitalize lower string title trim unescape upper wordcount".split())
"""Filters that make a text hardly longer than the one they are given."""

_FEW = 20
"""So many texts of `MAX_TEXT` characters may stand in memory before they are counted."""


def joined_pieces(pieces: Iterable[str], most: int = MAX_RENDERED) -> str:
    """Pieces of a template's text one after the other.

    Raises:
      SecurityError: if they come to more than `most` characters.
    """
    made: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece) + 1
        if size > most:
            raise SecurityError(f"the text comes to more than {most:,} characters")
        made.append(piece)
    return "".join(made)


def joined_loop(pieces: Iterable[str]) -> str:
    """What a loop comes to, which counts as one operation where it is made by itself."""
    return joined_pieces(pieces, MAX_TEXT)


def writable(value: Any) -> Any:
    """The same value.

    Raises:
      SecurityError: if it is a list or mapping whose text would be longer than `MAX_TEXT`.
    """
    if type(value) in _HOLDERS:
        _size_of(value)
    return value


def concatenated(values: Sequence[Any]) -> str:
    """The texts of values one after the other, as `~` puts them.

    Raises:
      SecurityError: if they come to more than `MAX_TEXT` characters.
    """
    if len(values) > _FEW:
        return joined_pieces((str(writable(value)) for value in values), MAX_TEXT)
    texts = [value if value.__class__ is str else str(writable(value)) for value in values]
    if sum(map(len, texts)) > MAX_TEXT:
        raise _too_long("~")
    return "".join(texts)


def added(left: Any, right: Any) -> Any:
    """The sum of two numbers, or two texts or lists one after the other.

    Raises:
      SecurityError: if they come to more than `MAX_TEXT` characters or items.
    """
    made = left + right
    if not isinstance(made, (int, float)):
        _bound_length(made, "+")
    return made


def bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that makes no more than one operation may; what Jinja makes lazily is a list.

    A generator's text would be an address in memory.
    """
    if name in _ONLY_LOOK:
        return function
    if name in _OF_ONE_TEXT:
        return _with_writable_text(function)

    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> Any:
        for given in (*args, *kwargs.values()):
            writable(given)
        value = function(*args, **kwargs)
        if isinstance(value, Iterator):
            return taken(value, name)
        if isinstance(value, str):
            _bound_length(value, name)
        return writable(value)

    return made


def _with_writable_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def made(value: Any, *args: Any, **kwargs: Any) -> Any:
        if value.__class__ is not str:
            writable(value)
        return function(value, *args, **kwargs)

    return made


def bounded_test(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A test that writes out what it is given."""
    return lambda value: test(writable(value))


def counted_range(*args: int) -> range:
    """Python's `range`, of at most `MAX_RANGE` numbers."""
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise SecurityError(f"range would count more than {MAX_RANGE:,} numbers")
    return numbers


def bound_replacement(text: str, old: str, new: str) -> None:
    """Refuses a replacement that would make more than `MAX_TEXT` characters.

    Raises:
      SecurityError: then.
    """
    times = len(text) + 1 if not old else text.count(old)
    if len(text) + times * len(new) > MAX_TEXT:
        raise SecurityError(f"replace would make a text of more than {MAX_TEXT:,} characters")


@pass_eval_context
def join(eval_ctx: Any, value: Any, d: Any = "", attribute: Any = None) -> str:
    """Jinja's `join`, after a look at what it comes to."""
    if attribute is None and value.__class__ is list and d.__class__ is str:
        texts = set(map(type, value)) == {str}
        if texts and sum(map(len, value)) + len(d) * len(value) <= MAX_TEXT:
            return d.join(value)
    if attribute is not None:
        value = map(make_attrgetter(eval_ctx.environment, attribute), value)
    items = value if isinstance(value, (str, list)) else taken(iter(value), "join")
    if len(str(writable(d))) * len(items) + _size_of(items) > MAX_TEXT:
        raise _too_long("join")
    result: str = FILTERS["join"](eval_ctx, items, d)
    return result


@pass_eval_context
def replace(eval_ctx: Any, s: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Jinja's `replace`, after a look at what it comes to."""
    s, old, new = (t if t.__class__ is str else str(writable(t)) for t in (s, old, new))
    bound_replacement(s, old, new)
    result: str = FILTERS["replace"](eval_ctx, s, old, new, count)
    return result


def listed(value: Any) -> list[Any]:
    """Jinja's `list`; what it comes to need not be written."""
    made = list(value)
    _bound_length(made, "list")
    return made


def groups(name: str) -> Callable[..., Any]:
    """Jinja's `batch` or `slice`, of at most `MAX_ITEMS` groups or items a group."""
    function = FILTERS[name]
    wants_context = hasattr(function, "jinja_pass_arg")

    @pass_eval_context
    def group(context: Any, value: Any, size: int, fill_with: Any = None) -> Any:
        if size > MAX_ITEMS:
            raise SecurityError(f"{name} would make more than {MAX_ITEMS:,} items")
        first = (context,) if wants_context else ()
        return list(function(*first, value, size, fill_with))

    return group


def rounded(value: float, precision: int = 0, method: str = "common") -> float:
    """Jinja's `round`, to at most `MAX_DIGITS` digits."""
    if abs(precision) > MAX_DIGITS:
        raise SecurityError(f"round is allowed to at most {MAX_DIGITS} digits")
    result: float = FILTERS["round"](value, precision, method)
    return result


class BoundedCode(CodeGenerator):
    """Python as Jinja writes it, in which `~` is bounded."""

    def visit_Concat(self, node: Concat, frame: Any) -> None:  # noqa: N802  (Jinja's name)
        """See the base class."""
        self.write("environment.concatenated((")
        for child in node.nodes:
            self.visit(child, frame)
            self.write(", ")
        self.write("))")


def _bound_length(made: Any, name: str) -> None:
    if len(made) > MAX_TEXT:
        raise _too_long(name)


def _too_long(name: str) -> SecurityError:
    return SecurityError(f"{name} would make more than {MAX_TEXT:,} characters")


def taken(items: Iterator[Any], name: str) -> list[Any]:
    """All items.

    Raises:
      SecurityError: if they and what they hold come to more than `MAX_TEXT`.
    """
    made: list[Any] = []
    size = 0
    for item in items:
        size += len(item) + 1 if isinstance(item, (str, *_HOLDERS)) else 1
        if size > MAX_TEXT:
            raise _too_long(name)
        made.append(item)
    return made


def _size_of(value: Any) -> int:
    """About how many characters a value's text has, what it holds counted each time it is shown.

    Raises:
      SecurityError: if that is more than `MAX_TEXT`; nothing is looked at any more then.
    """
    size = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            item = [*item, *item.values()]
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, (list, tuple)):
            # Most lists hold nothing but texts, which are counted at once.
            texts = set(map(type, item)) == {str}
            size += 2 * len(item) + (sum(map(len, item)) if texts else 0)
            waiting.extend(() if texts else item)
        if size > MAX_TEXT:
            raise SecurityError(f"a list would be written with more than {MAX_TEXT:,} characters")
    return size
