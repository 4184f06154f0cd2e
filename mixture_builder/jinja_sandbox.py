"""The one Jinja environment in which cards and templates are evaluated.

Cards and templates may come from strangers, so the environment is sandboxed and strict:
two functions (`range`, `zip`), an allow-list of filters, tests and methods of texts and lists,
no include, import, macro or assignment, and bounds on what multiplication, replacement and
loops can blow up. `choice` draws nothing: it follows from a number that the example brings.
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
    Environment,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    Undefined,
    nodes,
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

MAX_LOOP_DEPTH = 2

MAX_DEPTH = 50
"""Deepest nesting of a syntax tree; Jinja's own parser and Python's fail soon beyond it."""

MAX_ITEMS = 100_000
"""Most items that `batch` and `slice` may fill up to."""

MAX_DIGITS = 100
"""Most digits that `round` may be asked for."""

_FORBIDDEN = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.FilterBlock: "filter block",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.With: "with",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_FORBIDDEN_KINDS: tuple[type[nodes.Node], ...] = tuple(_FORBIDDEN)


_RESERVED = frozenset(["self", "super", "caller", "varargs", "kwargs"])
"""Names that Jinja gives a meaning of its own."""


class _Callable:
    """A method or function that a template may call, and do nothing else with.

    Shown as a text it would give an address in memory, which differs from run to run.
    """

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
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
        if isinstance(obj, _Callable):
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
        if isinstance(obj, _Callable):
            obj = obj.function
        if not self.is_safe_callable(obj) and not isinstance(obj, Undefined):
            # Jinja's own message holds an address, and so would differ from run to run.
            name = getattr(obj, "__name__", type(obj).__name__)
            raise SecurityError(f"'{name}' may not be called here")
        if getattr(obj, "__name__", "") == "replace" and len(args) >= 2:
            _bound_replacement(obj.__self__, str(args[0]), str(args[1]))
        return super().call(context, obj, *args, **kwargs)


def _only_callable(value: Any) -> Any:
    return _Callable(value) if isinstance(value, (BuiltinMethodType, MethodType)) else value


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
    env.globals.update(range=_Callable(_bounded_range), zip=_Callable(_zipped))
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


@lru_cache(maxsize=20_000)
def parse(source: str) -> nodes.Template:
    """The syntax tree of a template; the same object for the same text, not to be changed.

    Raises:
      TemplateSyntaxError: with line and message, for anything that is no Jinja, and for
        tags, filters, tests and nestings that are not allowed here.
    """
    tree = parse_any(source)
    _check(tree, environment())
    return tree


def parse_any(source: str) -> nodes.Template:
    """The syntax tree of a text that may hold what is not allowed here: to be read, never run.

    Raises:
      TemplateSyntaxError: for what is no Jinja, or nested too deep.
    """
    try:
        tree = environment().parse(source)
        depth = _depth(tree)
    except RecursionError:
        raise TemplateSyntaxError(_TOO_DEEP, 1) from None
    except (ValueError, OverflowError) as problem:
        # Python refuses whole numbers of thousands of digits.
        raise TemplateSyntaxError(str(problem).split(";", maxsplit=1)[0], 1) from None
    if depth > MAX_DEPTH:
        raise TemplateSyntaxError(_TOO_DEEP, 1)
    return tree


_TOO_DEEP = f"found expressions or tags nested too deep; expected at most {MAX_DEPTH} levels"


def _depth(node: nodes.Node) -> int:
    return 1 + max((_depth(child) for child in node.iter_child_nodes()), default=0)


def parse_expression(source: str) -> nodes.Expr:
    """The syntax tree of one expression, as stands in a card's `fields`.

    Raises:
      TemplateSyntaxError: as for `parse`.
    """
    tree = parse("{{ (" + source + "\n) }}")
    if not source.strip():
        raise TemplateSyntaxError("expected an expression, found none", 1)
    if (
        len(tree.body) != 1
        or not isinstance(tree.body[0], nodes.Output)
        or len(tree.body[0].nodes) != 1
        or isinstance(tree.body[0].nodes[0], nodes.TemplateData)
    ):
        raise TemplateSyntaxError("expected one expression, without {{ }} or text around it", 1)
    return tree.body[0].nodes[0]


def _check(tree: nodes.Template, env: Environment) -> None:
    for node in tree.find_all(nodes.Node):
        if isinstance(node, _FORBIDDEN_KINDS):
            word = next(word for kind, word in _FORBIDDEN.items() if isinstance(node, kind))
            raise TemplateSyntaxError(f"'{word}' is not allowed", node.lineno)
        if isinstance(node, nodes.Name) and node.name in _RESERVED:
            raise TemplateSyntaxError(f"the name '{node.name}' is not allowed", node.lineno)
        if isinstance(node, nodes.Filter) and node.name not in env.filters:
            raise TemplateSyntaxError(
                f"found the filter '{node.name}'; expected one of {', '.join(env.filters)}",
                node.lineno,
            )
        if isinstance(node, nodes.Test) and node.name not in env.tests:
            raise TemplateSyntaxError(
                f"found the test '{node.name}'; expected one of {', '.join(env.tests)}", node.lineno
            )
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateSyntaxError("a recursive loop is not allowed", node.lineno)
    depth = _loop_depth(tree)
    if depth > MAX_LOOP_DEPTH:
        raise TemplateSyntaxError(
            f"found loops nested {depth} deep; expected at most {MAX_LOOP_DEPTH}", 1
        )


def _loop_depth(node: nodes.Node) -> int:
    below = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return below + isinstance(node, nodes.For)


def names_used(tree: nodes.Node) -> frozenset[str]:
    """Names that a tree reads from its row; a loop's variables count outside the loop only."""
    if isinstance(tree, nodes.Name):
        return frozenset([tree.name] if tree.ctx == "load" else [])
    if isinstance(tree, nodes.Call) and isinstance(tree.node, nodes.Name):
        called = frozenset([tree.node.name]) - FUNCTION_NAMES
        given = (child for child in tree.iter_child_nodes() if child is not tree.node)
        return called | _names_of(given)
    if isinstance(tree, nodes.For):
        inside = _names_of([*tree.body, *([tree.test] if tree.test else [])])
        bound = {n.name for n in _targets(tree.target)} | {"loop"}
        return names_used(tree.iter) | (inside - bound) | _names_of(tree.else_)
    return _names_of(tree.iter_child_nodes())


def _names_of(trees: Iterable[nodes.Node]) -> frozenset[str]:
    return frozenset().union(*(names_used(tree) for tree in trees))


def _targets(target: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(target, nodes.Name):
        yield target
    yield from target.find_all(nodes.Name)


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
        if isinstance(value, (StrictUndefined, _Callable)):
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
