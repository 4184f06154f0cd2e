"""The one Jinja environment in which cards and templates are evaluated.

Cards and templates may come from strangers, so the environment is sandboxed and strict:
two functions (`range`, `zip`), an allow-list of filters, tests and methods of texts and lists,
and the bounds of `jinja_bounds` on what they make. Tags such as include, import, macro and
assignment are refused by `jinja_parsing`. `choice` draws nothing: it follows from a number that
the example brings.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from types import BuiltinMethodType, MethodType
from typing import Any, NoReturn

import xxhash
from jinja2 import (
    StrictUndefined,
    Undefined,
)
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

from mixture_builder.jinja_bounds import (
    BoundedCode,
    added,
    bound_replacement,
    bounded_filter,
    bounded_test,
    concatenated,
    counted_range,
    groups,
    join,
    joined_pieces,
    listed,
    replace,
    rounded,
    taken,
    writable,
)

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
        name = self.function.__name__.lstrip("_").removeprefix("counted_")
        raise SecurityError(f"'{name}' is not called; write {name}() with its arguments")

    __str__ = __repr__ = __format__ = __bool__ = __len__ = __iter__ = __getitem__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __add__ = __radd__ = _refuse


class SafeEnvironment(ImmutableSandboxedEnvironment):
    """Sandboxed, strict, and closed: templates see their row and nothing else."""

    concat = staticmethod(joined_pieces)
    concatenated = staticmethod(concatenated)
    code_generator_class = BoundedCode

    intercepted_binops = frozenset(["*", "**", "+", "%"])
    # Jinja's optimizer evaluates constant expressions while it parses, past our bounds.
    optimized = False

    def handle_exception(self, source: str | None = None) -> NoReturn:
        """As Jinja does for mistakes of a text; a row's errors are raised as they are.

        Of those nobody reads where they were raised, and Jinja's account of it holds the whole row
        and whatever stood beside it, in a circle that only garbage collection finds.
        """
        if source is None:
            raise  # noqa: PLE0704  (Jinja calls this where it has caught something)
        super().handle_exception(source)

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
        if obj is counted_range or obj is _zipped:
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
        if operator == "+":
            return added(left, right)
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
            old, new = (str(writable(given)) for given in args[:2])
            bound_replacement(obj.__self__, old, new)
        return super().call(context, obj, *args, **kwargs)


def _only_callable(value: Any) -> Any:
    return OnlyCallable(value) if isinstance(value, (BuiltinMethodType, MethodType)) else value


def _zipped(*lists: Iterable[Any]) -> list[tuple[Any, ...]]:
    # A list, because what Python's own says of itself holds an address.
    return taken(zip(*lists, strict=False), "zip")


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


@lru_cache(maxsize=1)
def environment() -> SafeEnvironment:
    """The environment; one for the process, since it holds no state of its own."""
    env = SafeEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        optimized=False,
        cache_size=0,
        finalize=writable,
    )
    env.globals.clear()
    env.globals.update(range=OnlyCallable(counted_range), zip=OnlyCallable(_zipped))
    ours: dict[str, Callable[..., Any]] = {
        "batch": groups("batch"),
        "choice": choice,
        "most_frequent": most_frequent,
        "round": rounded,
        "slice": groups("slice"),
        "unescape": unescape,
    }
    theirs: dict[str, Any] = FILTERS
    env.filters = {
        name: bounded_filter(name, ours.get(name) or theirs[name]) for name in FILTER_NAMES
    }
    # They look at what they are given themselves.
    env.filters.update(join=join, list=listed, replace=replace)
    tests: dict[str, Any] = TESTS
    env.tests = {name: tests[name] for name in [*TEST_NAMES, *TEST_MARKS]}
    for name in ("lower", "upper"):
        env.tests[name] = bounded_test(tests[name])
    return env
