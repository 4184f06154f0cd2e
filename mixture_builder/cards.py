"""Task cards: which upstream records make a task, and what its rows are called.

A card is data; `card_files` reads them, and nothing here opens a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from mixture_builder.fingerprint import fingerprint
from mixture_builder.jinja_compiler import CompiledExpression, compile_expression
from mixture_builder.sources import Beside, Source

FieldType = Literal["string", "list", "int", "json"]

UnicodeForm = Literal["NFC", "NFKC"]

FIXED_TYPES: dict[str, FieldType] = {
    "options": "list",
    "answers": "list",
    "turns": "list",
    "answer_index": "int",
}
"""Fields whose meaning, and so whose type, is the same in all cards."""

ALWAYS_THERE = frozenset(["options", "answers", "answer_index"])
"""Fields that cannot be empty: the target is drawn from them."""

DERIVED_FIELDS = ("options_text", "dialog_text", "answer_text", "chance")
"""Names that templates see and cards may not declare: they are made when an example is drawn."""

HELD_OUT_KIND = "heldout"
"""The kind of cards of held-out sets, and the folder they stand in."""

PLACEHOLDER = "FILL IN"
"""What stands in a first card where only its author knows what belongs there."""

QUESTION_KINDS = frozenset(
    ["classification", "multiple_choice", "extractive_qa", "open_qa", "reasoning"]
)
"""Kinds that ask something and answer it, so that labels like "Q:" and "A:" fit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One canonical field of a task's rows.

    Attributes:
      name: as templates use it.
      expression: Jinja expression over the upstream record.
      type: what is stored; texts are stored as they are, other values as their text. `json` keeps
        any value as it stands upstream, nested ones too.
      optional: whether it may be missing or empty; it is then stored as empty.
    """

    name: str
    expression: str
    type: FieldType = "string"
    optional: bool = False

    def compiled(self) -> CompiledExpression:
        """The expression, ready to be evaluated."""
        return compile_expression(self.expression)


@dataclass(frozen=True, kw_only=True, slots=True)
class CardSource:
    """One way to get a task's rows: a source, and how its records become rows.

    Attributes:
      checked: how its `address` and its `columns` were checked, and a `note`; `None` when the
        card does not say.
    """

    source: Source
    fields: tuple[Field, ...]
    keep: str = ""
    checked: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCard:
    """All that is known of one task. The keys are those of the YAML file.

    Attributes:
      file: the file it was read from, as messages name it.
      folder: absolute folder of that file; relative sources start there.
      sources: alternatives; the first that can be read is used.
      templates: empty for held-out sets only.
      normalise: Unicode form of all texts of a row; `None` leaves them as they are.
    """

    id: str
    title: str
    description: str
    category: str
    kind: str
    languages: tuple[str, ...]
    sources: tuple[CardSource, ...]
    templates: str = ""
    licence: Mapping[str, str]
    size: Mapping[str, Any]
    sample: tuple[Mapping[str, Any], ...]
    cot: bool = False
    flan_name: str = ""
    inversion_twin: str = ""
    availability: Mapping[str, str] | None = None
    fixed_option_order: bool = False
    keep_duplicates: bool = False
    normalise: UnicodeForm | None = None
    citation: str | None = None
    held_out: tuple[str, ...] = ()
    notes: str = ""
    file: str = ""
    folder: str = ""

    @property
    def submixture(self) -> str:
        """The part of the id before the slash."""
        return self.id.split("/")[0]

    @property
    def state(self) -> str:
        """Whether the source can be had, as far as the card knows."""
        return (self.availability or {}).get("state", "unknown")

    @property
    def fields(self) -> tuple[Field, ...]:
        """The canonical fields; all alternatives give the same."""
        return self.sources[0].fields

    @property
    def has_options(self) -> bool:
        """Whether rows carry a closed list of answers."""
        return any(f.name == "options" for f in self.fields)

    @property
    def known_rows(self) -> int | None:
        """Rows as the card states them; `None` when it does not know."""
        rows = self.size.get("rows")
        return int(rows) if rows is not None else None

    def template_names(self) -> frozenset[str]:
        """Every name that a template for this task may use."""
        names = {f.name for f in self.fields} - {"answers"} | {"chance"}
        if "options" in names:
            names |= {"options_text", "answer", "answer_text"}
        if any(f.name == "answers" for f in self.fields):
            names.add("answer")
        if "turns" in names:
            names.add("dialog_text")
        return frozenset(names)

    def rows_fingerprint(self) -> str:
        """Hash of all that decides the task's rows; texts about the task do not count."""
        return fingerprint(
            [
                {
                    "source": _plain(alternative.source),
                    "fields": [_plain(f) for f in alternative.fields],
                    "keep": alternative.keep,
                }
                for alternative in self.sources
            ]
            + [self.keep_duplicates]
            # Only where it is set: rows that were stored before there was this key stay good.
            + ([self.normalise] if self.normalise else [])
        )

    def to_json(self) -> dict[str, Any]:
        """The whole card as plain data, for `cards show --json`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}
        plain["sources"] = [
            {
                **_plain(s.source),
                "fields": [dict(_plain_field(f)) for f in s.fields],
                **({"keep": s.keep} if s.keep else {}),
                **({"checked": dict(s.checked)} if s.checked else {}),
            }
            for s in self.sources
        ]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


@lru_cache(maxsize=10_000)
def _plain_field(field: Field) -> Mapping[str, Any]:
    # The members of a family have theirs in common.
    plain: Mapping[str, Any] = _plain(field)
    return plain


@lru_cache(maxsize=64)
def _names_and_defaults(kind: type) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in fields(kind))


def _plain(value: Any) -> Any:
    """Plain data of a dataclass, without what stands at its default."""
    result = {}
    kind: Any = type(value)
    for name, default in _names_and_defaults(kind):
        content = getattr(value, name)
        if content == default:
            continue
        if isinstance(content, tuple):
            content = [_plain(c) if isinstance(c, Beside) else c for c in content]
        result[name] = content
    return result
