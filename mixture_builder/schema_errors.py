"""What a broken rule of a JSON Schema means to the person who wrote the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from mixture_builder.findings import did_you_mean

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _type_word(value: Any) -> str:
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {_short(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a mapping" if isinstance(value, dict) else "a list"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


Explained = tuple[tuple[str | int, ...], str, str]
"""Place, message and remedy of one broken rule."""


def explain(problem: ValidationError) -> Iterator[Explained]:
    """What was found, what was expected and the way out, for each key that breaks a rule."""
    where: tuple[str | int, ...] = tuple(problem.absolute_path)
    rule, value = str(problem.validator), problem.instance
    if rule == "additionalProperties":
        known = [*_rules(problem).get("properties", {})]
        found: Any = value
        for key in found:
            if key not in known:
                yield (
                    (*where, str(key)),
                    f"found the unknown key '{key}'; expected one of {_listed(known)}.",
                    did_you_mean(str(key), known) or "Remove it.",
                )
        return
    yield (where, *_EXPLANATIONS.get(rule, _explain_otherwise)(problem))


def _rules(problem: ValidationError) -> Mapping[str, Any]:
    """The part of the schema that was broken; ours never is a bare true or false."""
    return cast("Mapping[str, Any]", problem.schema)


def _explain_required(problem: ValidationError) -> tuple[str, str]:
    # jsonschema reports one error a missing key; its text names the key first.
    key = problem.message.split("'")[1]
    hint = _rules(problem).get("properties", {}).get(key, {}).get("description", "")
    return f"the key '{key}' is missing.", f"Add it: {hint}" if hint else "Add it."


def _explain_type(problem: ValidationError) -> tuple[str, str]:
    value: Any = problem.instance
    limit: Any = problem.validator_value
    kinds = [limit] if isinstance(limit, str) else limit
    words = " or ".join(_TYPE_WORDS[k] for k in kinds)
    remedy = ""
    if isinstance(value, bool) and "string" in kinds:
        remedy = "Quote it: YAML reads a bare yes, no, on or off as a truth value."
    elif isinstance(value, (int, float)) and "string" in kinds:
        remedy = "Quote it."
    elif value is None:
        remedy = "Give it a value, or remove the key."
    elif isinstance(value, dict) and "string" in kinds:
        remedy = "Quote it: YAML reads a bare {...} as a mapping."
    elif "array" in kinds:
        remedy = "Write it as a list: [...]."
    return f"found {_type_word(value)}; expected {words}.", remedy


def _explain_enum(problem: ValidationError) -> tuple[str, str]:
    limit: Any = problem.validator_value
    known = [str(v) for v in limit]
    return (
        f"found {_short(problem.instance)}; expected one of {_listed(known)}.",
        did_you_mean(str(problem.instance), known),
    )


def _explain_pattern(problem: ValidationError) -> tuple[str, str]:
    wanted = _rules(problem).get("description", f"a text of the form {problem.validator_value}")
    return f"found {_short(problem.instance)}; expected {wanted}", ""


def _explain_count(problem: ValidationError) -> tuple[str, str]:
    bound = "at least" if str(problem.validator).startswith("min") else "at most"
    found: Any = problem.instance
    if isinstance(found, str):
        if not found:
            return "found an empty text; expected some.", ""
        return f"found {len(found)} characters; expected {bound} {problem.validator_value}.", ""
    unit = "entry" if len(found) == 1 else "entries"
    return f"found {len(found)} {unit}; expected {bound} {problem.validator_value}.", ""


def _explain_bound(problem: ValidationError) -> tuple[str, str]:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    word = words[str(problem.validator)]
    return f"found {problem.instance}; expected {word} {problem.validator_value}.", ""


def _explain_twice(_: ValidationError) -> tuple[str, str]:
    return "found an entry twice; expected each once.", "Remove one of them."


def _explain_otherwise(problem: ValidationError) -> tuple[str, str]:
    return f"{problem.message}.", ""


_EXPLANATIONS: Mapping[str, Callable[[Any], tuple[str, str]]] = {
    "required": _explain_required,
    "type": _explain_type,
    "enum": _explain_enum,
    "pattern": _explain_pattern,
    "uniqueItems": _explain_twice,
    **dict.fromkeys(
        ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"),
        _explain_count,
    ),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _explain_bound),
}


def _listed(words: list[str]) -> str:
    return ", ".join(words) if len(words) <= 14 else ", ".join(words[:14]) + ", ..."
