"""From an upstream record to a canonical row: fields, `keep`, identity.

Pure functions over plain values; `jobs.ingest` runs them over files.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import xxhash

from mixture_builder.cards import CardSource, Field, UnicodeForm
from mixture_builder.draw import identity
from mixture_builder.jinja_compiler import CompiledExpression, compile_expression
from mixture_builder.jinja_running import describe

ROW_REASONS: Mapping[str, str] = {
    "field_error": "a field's expression failed for the record",
    "missing_field": "a field that is not optional came out as nothing or empty",
    "wrong_type": "a field came out as something its type does not allow",
    "bad_options": "fewer than two options, an empty or a double one, or no right one among them",
    "keep_error": "the condition `keep` failed for the record",
    "bad_text": "a text holds half a surrogate pair, which is no Unicode",
}
"""Why a record becomes no row; what is wrong with records as such has reasons of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowProblem:
    """Why a record gave no row.

    Attributes:
      reason: a key of `ROW_REASONS`.
      field: which field, where one is to blame.
      detail: what was found and what was expected.
    """

    reason: str
    field: str
    detail: str


Row = dict[str, Any]
"""Values by field: texts, lists of texts, whole numbers, and bytes of JSON for `json` fields."""
Check = Callable[[Any], Any]


class RowMaker:
    """Turns upstream records into canonical rows.

    Args:
      alternative: the source's fields and condition.
      normalise: Unicode form of all texts of a row, as the card says; `None` for none.
    """

    def __init__(self, alternative: CardSource, *, normalise: UnicodeForm | None = None) -> None:
        self._form = normalise
        self._fields: list[tuple[Field, CompiledExpression, Check]] = [
            (f, compile_expression(f.expression), _CHECKS[f.type]) for f in alternative.fields
        ]
        self._keep = compile_expression(alternative.keep) if alternative.keep else None
        self._has_options = any(f.name == "options" for f in alternative.fields)

    def _is_kept(self, record: dict[str, Any]) -> bool | RowProblem:
        if self._keep is None:
            return True
        try:
            return bool(self._keep(record))
        except MemoryError:
            # It says nothing of the record: with more memory there would be a row.
            raise
        except Exception as problem:  # noqa: BLE001  (the author's expression may do anything)
            return RowProblem(reason="keep_error", field="keep", detail=describe(problem))

    def row(self, record: dict[str, Any]) -> Row | RowProblem | None:
        """The row of a record, why there is none, or `None` if `keep` is false for it."""
        kept = self._is_kept(record)
        if kept is not True:
            return kept or None
        row: Row = {}
        for field, expression, check in self._fields:
            try:
                value = expression(record)
            except MemoryError:
                raise
            except Exception as problem:  # noqa: BLE001  (as above)
                if field.optional:
                    row[field.name] = _EMPTY[field.type]
                    continue
                return RowProblem(reason="field_error", field=field.name, detail=describe(problem))
            if value is None or (type(value) is str and not value.strip()) or value == []:
                if not field.optional:
                    found = "nothing" if value is None else "an empty value"
                    return RowProblem(
                        reason="missing_field",
                        field=field.name,
                        detail=f"found {found}; expected a value",
                    )
                if field.type != "json":
                    row[field.name] = _EMPTY[field.type]
                    continue
            try:
                row[field.name] = check(value)
            except _WrongTypeError as problem:
                return RowProblem(reason="wrong_type", field=field.name, detail=str(problem))
            if row[field.name] == [] and not field.optional:
                return RowProblem(
                    reason="missing_field",
                    field=field.name,
                    detail="found a list without values; expected a value",
                )
        if self._form is not None:
            # Before options are compared: two that look alike may only now become the same.
            row = {name: _normalised(value, self._form) for name, value in row.items()}
        if self._has_options:
            return _check_options(row)
        return row


def _normalised(value: Any, form: UnicodeForm) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize(form, value)
    if isinstance(value, list):
        return [unicodedata.normalize(form, text) for text in value]
    return value


class _WrongTypeError(Exception):
    """A value is of no type that its field may have."""


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, (int, float)):
        return str(value)
    raise _WrongTypeError(f"found a {type(value).__name__}; expected a text or a number")


def _list(value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise _WrongTypeError(f"found a {type(value).__name__}; expected a list of texts")
    return [_text(item) for item in value if item is not None]


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _WrongTypeError(f"found a {type(value).__name__}; expected a whole number")
    try:
        number = int(value)
    except (ValueError, OverflowError):
        raise _WrongTypeError(f"found {str(value)[:40]!r}; expected a whole number") from None
    if (isinstance(value, float) and number != value) or abs(number) >= 2**63:
        raise _WrongTypeError(f"found {str(value)[:40]!r}; expected a whole number")
    return number


def _json(value: Any) -> bytes:
    try:
        # Equal values give equal bytes, in whatever order their keys stand upstream.
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        )
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        found = "" if isinstance(value, (dict, list, tuple)) else f": {str(value)[:40]!r}"
        raise _WrongTypeError(
            f"found a {type(value).__name__} that JSON cannot hold{found}"
        ) from None


def plain_values(values: Iterable[Any]) -> list[Any]:
    """Values of a `json` field as templates see them.

    >>> plain_values([b'{"text":["one"]}', b"null"])
    [{'text': ['one']}, None]
    """
    return [json.loads(value) for value in values]


_CHECKS: dict[str, Check] = {"string": _text, "list": _list, "int": _int, "json": _json}
_EMPTY: dict[str, Any] = {"string": "", "list": [], "int": 0, "json": b"null"}


def _check_options(row: Row) -> Row | RowProblem:
    options, index = row["options"], row["answer_index"]
    found = ""
    if len(options) < 2:
        found = f"found {len(options)} options; expected at least two"
    elif not 0 <= index < len(options):
        found = f"found the right option at {index}; expected 0 to {len(options) - 1}"
    elif not all(option.strip() for option in options):
        found = "found an empty option"
    elif options.count(options[index]) > 1:
        found = f"found the right option {options[index][:40]!r} more than once"
    if found:
        return RowProblem(reason="bad_options", field="options", detail=found)
    return row


def row_identity(row: Row, names: tuple[str, ...], occurrence: int = 0) -> int:
    """63-bit hash of a row's canonical fields, and of which of its exact copies it is.

    Args:
      row: canonical values.
      names: its fields; their order does not matter.
      occurrence: 0 unless copies are kept.
    """
    parts = []
    for name in sorted(names):
        value = row[name]
        # Lengths keep apart what a separator inside a text would run together.
        texts = value if isinstance(value, list) else [_as_text(value)]
        parts.append(f"{name}\x1f{','.join(str(len(t)) for t in texts)}\x1f{''.join(texts)}")
    if occurrence:
        parts.append(str(occurrence))
    return identity("\x1d".join(parts).encode("utf-8"))


def _as_text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


_NOT_LETTERS = re.compile(r"[\W_]+")


def text_key(value: Any) -> int:
    """Hash of a text without case, spacing and punctuation; equal for texts that say the same.

    >>> text_key("Who wrote it?") == text_key("who  wrote it")
    True
    """
    text = " ".join(value) if isinstance(value, list) else _as_text(value)
    letters = _NOT_LETTERS.sub("", text.casefold())
    return xxhash.xxh3_64_intdigest((letters or text).encode("utf-8"))
