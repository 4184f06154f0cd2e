"""Reading the YAML files that people write: all mistakes at once, each with its place.

Files are plain data. They are read with the safe loader, bounded in size and nesting,
checked against a JSON Schema (draft 2020-12), and every problem becomes a `Finding` with
file, line, what was found, what was expected and the way out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mixture_builder.findings import Finding, Severity
from mixture_builder.known_files import content_of, recall, remember
from mixture_builder.schema_errors import explain

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

MAX_BYTES = 8_000_000
"""Largest YAML file that is read; far above any real card, template set or recipe."""

MAX_NODES = 400_000
"""Most values a file may come to once its aliases are followed."""

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(Loader):  # type: ignore[misc]  # the C loader has no type stubs
    """The safe loader, but a key given twice is an error."""


def _construct_mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, (str, int, float, bool)):
            raise yaml.constructor.ConstructorError(
                None, None, "found a key that is no plain word", key_node.start_mark
            )
        if key in mapping:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"found the key '{key}' a second time in one mapping; expected each key once",
                key_node.start_mark,
            )
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    value: float = loader.construct_yaml_float(node)
    if not math.isfinite(value):
        raise yaml.constructor.ConstructorError(
            None, None, f"found {node.value}; expected a finite number", node.start_mark
        )
    return value


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)
# A date is a text like any other: JSON has no word for it.
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def _with_tags(tags: tuple[str, ...]) -> Any:
    """The loader, but mappings with these tags are read as plain mappings."""
    if not tags:
        return _StrictLoader
    loader: Any = type("_TaggedLoader", (_StrictLoader,), {})
    for tag in tags:
        loader.add_constructor(tag, _construct_mapping)
    return loader


def load_yaml(
    path: Path, *, shown_as: str, tags: tuple[str, ...] = (), raw: bytes | None = None
) -> tuple[Any, list[Finding]]:
    """The data of one YAML file, or findings that say why there is none.

    Args:
      path: the file.
      shown_as: how messages name it.
      tags: of mappings; they are read as mappings without a tag. Any other tag is an error.
      raw: what the file holds, where it has been read already.

    Returns:
      The parsed data and no findings, or `None` and at least one error.
    """

    def error(message: str, remedy: str = "", line: int = 0) -> tuple[None, list[Finding]]:
        return None, [
            Finding(
                severity=Severity.ERROR,
                file=shown_as,
                place="",
                message=message,
                remedy=remedy,
                line=line,
            )
        ]

    try:
        raw = path.read_bytes() if raw is None else raw
    except OSError as problem:
        return error(
            f"the file cannot be read ({problem.strerror or problem}).",
            "Check the path and its rights.",
        )
    if len(raw) > MAX_BYTES:
        return error(
            f"found {len(raw):,} bytes; expected at most {MAX_BYTES:,}.", "Cut the file in parts."
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        return error(
            f"found the byte 0x{raw[problem.start]:02x}, which is no UTF-8.",
            "Save the file as UTF-8.",
            line,
        )
    try:
        data = yaml.load(text, Loader=_with_tags(tags))  # noqa: S506  (a subclass of the safe loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        what = (problem.problem or str(problem)).rstrip(".")
        return error(
            f"no valid YAML: {what}.",
            _yaml_remedy(what),
            mark.line + 1 if mark else 0,
        )
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        return error(f"no valid YAML: {str(problem).splitlines()[0]}.")
    if _too_many_nodes(data):
        return error(
            f"found more than {MAX_NODES:,} values once aliases are followed.",
            "Write the file without nested aliases.",
        )
    return data, []


def _yaml_remedy(problem: str) -> str:
    if "second time" in problem:
        return "Remove one of them."
    if "mapping values are not allowed" in problem:
        return "Quote a value that holds ': '."
    if "no plain word" in problem or "mapping keys are not allowed" in problem:
        return "Quote a text that starts with { or [."
    if "'\\t'" in problem or "tab" in problem:
        return "Indent with spaces."
    if "cannot start any token" in problem or "expected <block end>" in problem:
        return "Quote values that start with a mark such as {, [, % or @; indent with spaces."
    return ""


def _too_many_nodes(data: Any) -> bool:
    count = 0
    stack = [data]
    while stack:
        count += 1
        if count > MAX_NODES:
            return True
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend([*value.values()])
        elif isinstance(value, list):
            stack.extend(value)
    return False


@lru_cache
def schema(name: str) -> dict[str, Any]:
    """One of the published JSON Schemas: `task_card`, `templates`, `recipe`, ..."""
    file = resources.files("mixture_builder") / "schemas" / f"{name}.schema.json"
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


@lru_cache
def _validator(name: str) -> Draft202012Validator:
    # Imported here because --help must not pay for it.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema takes 4.0 for a whole number; counts and seeds have to be written as one.
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator: Any = extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    made: Draft202012Validator = validator(schema(name))
    return made


def check_against_schema(
    data: Any, *, schema_name: str, path: Path, shown_as: str, at: tuple[str | int, ...] = ()
) -> list[Finding]:
    """Every way in which `data` breaks a schema, as findings with lines.

    Args:
      data: as `load_yaml` gave it.
      schema_name: as for `schema`.
      path: the file, read again only to find the lines of mistakes.
      shown_as: how messages name it.
      at: where in the file `data` stands, when it is a part of it.
    """
    found: list[tuple[tuple[str | int, ...], str, str]] = []
    for problem in _validator(schema_name).iter_errors(data):
        found.extend(explain(problem))
    lines = _line_finder(path) if found else {}
    result = []
    for where, message, remedy in found:
        place = (*at, *where)
        result.append(
            Finding(
                severity=Severity.ERROR,
                file=shown_as,
                place=format_place(place),
                message=message,
                remedy=remedy,
                line=line_of(lines, place),
            )
        )
    return result


def load_checked(
    path: Path,
    *,
    shown_as: str,
    schema_name: str,
    prepared: Callable[[Any], Any] = lambda data: data,
) -> tuple[Any, list[Finding]]:
    """As `load_yaml`, and checked against a schema; a file that was found sound is known again.

    Args:
      path: the file.
      shown_as: how messages name it.
      schema_name: as for `schema`.
      prepared: makes of the file's data what the schema sees.
    """
    content = content_of(path)
    kind = f"{schema_name} file"
    known = recall(kind, content) if content is not None else None
    if known is not None:
        return known, []
    loaded, findings = load_yaml(path, shown_as=shown_as, raw=content)
    if findings:
        return None, findings
    data = prepared(loaded)
    findings = check_against_schema(data, schema_name=schema_name, path=path, shown_as=shown_as)
    if findings:
        return None, findings
    if content is not None:
        remember(kind, content, found=data)
    return data, []


def format_place(place: Iterable[str | int]) -> str:
    """`tasks[2].fields.answer` for the path ("tasks", 2, "fields", "answer")."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


Lines = Mapping[tuple[str | int, ...], int]


def line_of(lines: Lines, place: tuple[str | int, ...]) -> int:
    """The line of a place, or of the nearest part of it that has one; 0 if none has."""
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return lines.get((), 0)


def find_lines(path: Path) -> Lines:
    """The 1-based line of every place in a YAML file; empty when it cannot be parsed."""
    return _line_finder(path)


def _line_finder(path: Path) -> dict[tuple[str | int, ...], int]:
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        with path.open(encoding="utf-8") as file:
            root = yaml.compose(file, Loader=Loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return lines
    if root is None:
        return lines
    stack: list[tuple[tuple[str | int, ...], yaml.Node, int]] = [((), root, 1)]
    while stack:
        place, node, line = stack.pop()
        lines[place] = line
        if len(lines) > MAX_NODES:
            break
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                stack.append(((*place, str(key.value)), value, key.start_mark.line + 1))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                stack.append(((*place, index), value, value.start_mark.line + 1))
    return lines
