"""The one Jinja environment in which cards and templates are evaluated.

Cards and templates may come from strangers, so the environment is sandboxed and strict:
two functions (`range`, `zip`), an allow-list of filters, tests and methods of texts and lists,
and bounds on what multiplication, replacement and loops can blow up. Tags such as include,
import, macro and assignment are refused by `jinja_parsing`. `choice` draws nothing: it follows
from a number that the example brings.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, wraps
from types import BuiltinMethodType, MethodType
from typing import Any

import xxhash
from jinja2 import (
    StrictUndefined,
    Undefined,
)
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import pass_eval_context

FILTER_NAMES = (
    "abs batch capitalize choice count default d dictsort first float int items join last length "
    "list lower map max min most_frequent reject rejectattr replace reverse round select "
    "selectattr slice sort string sum title trim truncate unescape unique upper wordcount"
).split()
"""Filters that are pure functions of text, numbers and lists: Jinja's, and three of ours."""

TEST_NAMES = (
    "boolean defined divisibleby eq equalto even ge greaterthan gt in integer le lessthan lower "
    "lt mapping ne none number odd sequence string undefined upper false true float iterable"
).split()
TEST_MARKS = ["==", "!=", ">", ">=", "<", "<="]

TEXT_METHODS = frozenset(
    "capitalize casefold count endswith find index isalnum isalpha isdigit islower isnumeric "
    "isspace istitle isupper lower lstrip partition removeprefix removesuffix replace rfind "
    "rindex rpartition rsplit rstrip split splitlines startswith strip swapcase title upper".split()
)
"""Methods of texts that field expressions and templates may call."""

LIST_METHODS = frozenset(["count", "index"])
"""Methods of lists that field expressions and templates may call."""

FUNCTION_NAMES = frozenset(["range", "zip"])
"""Functions that field expressions and templates may call; no field needs them as its name."""

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


class OnlyCallable:
    """A method or function that a template may call, and do nothing else with.

    Shown as a text it would give an address in memory, which differs from run to run.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        return self.function(*args, **kwargs)

    def _refuse(self, *_: Any) -> Any:
        name = self.function.__name__.lstrip("_").removeprefix("bounded_")
        raise SecurityError(f"'{name}' is not called; write {name}() with its arguments")

    __str__ = __repr__ = __format__ = __bool__ = __len__ = __iter__ = __getitem__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __add__ = __radd__ = _refuse


def bounded_join(pieces: Iterable[str]) -> str:
    """The text of a template, refused when it grows beyond any real record."""
    made: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece) + 1
        if size > MAX_RENDERED:
            raise SecurityError(f"the text comes to more than {MAX_RENDERED:,} characters")
        made.append(piece)
    return "".join(made)


class SafeEnvironment(ImmutableSandboxedEnvironment):
    """Sandboxed, strict, and closed: templates see their row and nothing else."""

    concat = staticmethod(bounded_join)

    intercepted_binops = frozenset(["*", "**", "+", "%"])
    # Jinja's optimizer evaluates constant expressions while it parses, past our bounds.
    optimized = False

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002  (Jinja's signature)
        """Methods on the lists, and keys of mappings; nothing else has attributes."""
        if isinstance(obj, str):
            return attr in TEXT_METHODS
        if isinstance(obj, list):
            return attr in LIST_METHODS
        return type(obj).__name__ in {"LoopContext", "AsyncLoopContext"} and not attr.startswith(
            "_"
        )

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As the sandbox does; a method can only be called."""
        return _only_callable(super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """As the sandbox does; a method can only be called."""
        return _only_callable(super().getitem(obj, argument))

    def is_safe_callable(self, obj: Any) -> bool:
        """Only the methods on the lists and the functions can be called."""
        if isinstance(obj, OnlyCallable):
            obj = obj.function
        if obj is _bounded_range or obj is _zipped:
            return True
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        return (isinstance(owner, str) and name in TEXT_METHODS) or (
            isinstance(owner, list) and name in LIST_METHODS
        )

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic, with bounds on what can grow without end."""
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise SecurityError(f"the operator '{operator}' is not allowed here")
        if operator == "*" and not (_is_number(left) and _is_number(right)):
            raise SecurityError("'*' is allowed between numbers only")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls what may be called, after checking what `replace` would grow to."""
        if isinstance(obj, OnlyCallable):
            obj = obj.function
        if not self.is_safe_callable(obj) and not isinstance(obj, Undefined):
            # Jinja's own message holds an address, and so would differ from run to run.
            name = getattr(obj, "__name__", type(obj).__name__)
            raise SecurityError(f"'{name}' may not be called here")
        if getattr(obj, "__name__", "") == "replace" and len(args) >= 2:
            _bound_replacement(obj.__self__, str(args[0]), str(args[1]))
        return super().call(context, obj, *args, **kwargs)


def _only_callable(value: Any) -> Any:
    return OnlyCallable(value) if isinstance(value, (BuiltinMethodType, MethodType)) else value


def _bounded_range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise SecurityError(f"range would count more than {MAX_RANGE:,} numbers")
    return numbers


def _zipped(*lists: Iterable[Any]) -> list[tuple[Any, ...]]:
    # A list, because what Python's own says of itself holds an address.
    return list(zip(*lists, strict=False))


def choice(items: Sequence[Any], chance: int, number: int = 0) -> Any:
    """The item that a number decides on: each is as likely over many numbers.

    Args:
      items: a list, a text or a range.
      chance: what is drawn for an example; templates see it under this name.
      number: keeps apart the choices of one template.

    Raises:
      SecurityError: if there is nothing to choose from.
    """
    if not isinstance(items, (list, tuple, str, range)) or not len(items):
        raise SecurityError("choice found nothing to choose from; expected a list with items")
    return items[xxhash.xxh3_64_intdigest(f"{chance} {number}".encode()) % len(items)]


def most_frequent(items: Sequence[Any]) -> list[Any] | None:
    """The items that no other outnumbers, in their order; `None` if there are none."""
    counted = Counter(items).most_common()
    return [item for item, times in counted if times == counted[0][1]] or None


def unescape(text: Any) -> str:
    """The text with HTML entities (`&amp;`, `&#39;`) as the characters that they stand for."""
    return html.unescape(str(text))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < 2**63


def _bound_replacement(text: str, old: str, new: str) -> None:
    times = len(text) + 1 if not old else text.count(old)
    if len(text) + times * len(new) > MAX_TEXT:
        raise SecurityError(f"replace would make a text of more than {MAX_TEXT:,} characters")


def _bounded_replace(eval_ctx: Any, s: str, old: str, new: str, count: int | None = None) -> str:
    _bound_replacement(str(s), str(old), str(new))
    result: str = FILTERS["replace"](eval_ctx, s, old, new, count)
    return result


_bounded_replace.jinja_pass_arg = FILTERS["replace"].jinja_pass_arg  # type: ignore[attr-defined]


def _bounded_groups(name: str) -> Callable[..., Any]:
    function = FILTERS[name]
    wants_context = hasattr(function, "jinja_pass_arg")

    @pass_eval_context
    def group(context: Any, value: Any, size: int, fill_with: Any = None) -> Any:
        if size > MAX_ITEMS:
            raise SecurityError(f"{name} would make more than {MAX_ITEMS:,} items")
        first = (context,) if wants_context else ()
        return list(function(*first, value, size, fill_with))

    return group


_LAZY_FILTERS = "items map reject rejectattr reverse select selectattr unique".split()
"""Filters of which Jinja makes generators, whose text is an address in memory."""


def _as_list(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        return list(value) if isinstance(value, Iterator) else value

    return made


def _bounded_round(value: float, precision: int = 0, method: str = "common") -> float:
    if abs(precision) > MAX_DIGITS:
        raise SecurityError(f"round is allowed to at most {MAX_DIGITS} digits")
    result: float = FILTERS["round"](value, precision, method)
    return result


@lru_cache(maxsize=1)
def environment() -> SafeEnvironment:
    """The environment; one for the process, since it holds no state of its own."""
    env = SafeEnvironment(
        undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0
    )
    env.globals.clear()
    env.globals.update(range=OnlyCallable(_bounded_range), zip=OnlyCallable(_zipped))
    ours = {"choice": choice, "most_frequent": most_frequent, "unescape": unescape}
    env.filters = {name: ours.get(name) or FILTERS[name] for name in FILTER_NAMES}
    for name in _LAZY_FILTERS:
        env.filters[name] = _as_list(FILTERS[name])
    env.filters["replace"] = _bounded_replace
    env.filters["round"] = _bounded_round
    env.filters["batch"] = _bounded_groups("batch")
    env.filters["slice"] = _bounded_groups("slice")
    env.tests = {name: TESTS[name] for name in [*TEST_NAMES, *TEST_MARKS]}
    return env
