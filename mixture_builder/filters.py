"""Filters: which of the tasks that a recipe names it does not want after all, and why.

A filter asks what a card says of its task; `rows` names lists of single rows instead. A task
that is taken out is no failure: it is listed with the reason, and the other tasks of its part
take over its share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixture_builder.cards import TaskCard

PREFIX = "filtered: "
"""How the reason of a filtered task begins, among the reasons of tasks that are left out."""

UNKNOWN = "unknown"
"""What a card says of a licence that nobody has read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """What may be, and what may not, as ids or globs.

    Attributes:
      allow: nothing else may be; `None` allows all.
      exclude: what may not be, whatever is allowed.
    """

    allow: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()

    def refused(self, found: str) -> str:
        """Why something may not be; empty if it may."""
        if any(fnmatchcase(found, glob) for glob in self.exclude):
            return "is excluded"
        if self.allow is not None and not any(fnmatchcase(found, glob) for glob in self.allow):
            return "is not among those allowed"
        return ""


ANYTHING = Allowed()
"""Nothing is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """What a part of a mixture asks of its tasks.

    Attributes:
      licences: SPDX identifiers, as cards have them.
      unknown_licences: whether a task whose licence is not known may stay.
      languages: each language of a task must be allowed.
      categories: as cards have them.
      availability: states of availability, as cards have them.
      cards: task ids.
      held_out: whether a task may stay whose card notes an overlap with held-out data.
      rows: files that list rows to leave out, relative to the recipe.
    """

    licences: Allowed = ANYTHING
    unknown_licences: bool = True
    languages: Allowed = ANYTHING
    categories: Allowed = ANYTHING
    availability: Allowed = ANYTHING
    cards: Allowed = ANYTHING
    held_out: bool = True
    rows: tuple[str, ...] = ()

    def with_more(self, raw: Mapping[str, Any]) -> Filters:
        """These filters with a recipe's `filters` laid over them, key by key."""
        changed: dict[str, Any] = {}
        for key in ("languages", "categories", "availability"):
            if key in raw:
                changed[key] = _allowed(raw[key], "allow")
        if "licences" in raw:
            changed["licences"] = _allowed(raw["licences"], "allow")
            # Whoever asks about licences does not want one that nobody knows, unless they say so.
            changed["unknown_licences"] = raw["licences"].get("unknown", "exclude") == "include"
        if "cards" in raw:
            changed["cards"] = _allowed(raw["cards"], "include")
        if "held_out" in raw:
            changed["held_out"] = raw["held_out"] == "include"
        if "rows" in raw:
            # As sorted names: neither their order nor a repetition decides anything.
            changed["rows"] = tuple(sorted(set(raw["rows"])))
        return replace(self, **changed)

    def reason(self, card: TaskCard) -> str:
        """Why a task is filtered out; empty if it stays."""
        found = next(iter(self._reasons(card)), "")
        return PREFIX + found if found else ""

    def _reasons(self, card: TaskCard) -> Iterable[str]:
        why = self.cards.refused(card.id)
        if why:
            yield f"its id {why}"
        licence = card.licence["id"]
        if licence == UNKNOWN:
            if not self.unknown_licences:
                yield "its licence is unknown"
        else:
            why = self.licences.refused(licence)
            if why:
                yield f"its licence {licence} {why}"
        for language in card.languages:
            why = self.languages.refused(language)
            if why:
                yield f"its language {language} {why}"
        why = self.categories.refused(card.category)
        if why:
            yield f"its category {card.category} {why}"
        state = (card.availability or {}).get("state", UNKNOWN)
        why = self.availability.refused(state)
        if why:
            yield f"its availability {state} {why}"
        if card.held_out and not self.held_out:
            yield f"it overlaps with held-out data ({'; '.join(card.held_out)})"


NO_FILTERS = Filters()
"""Whatever a card says, its task stays."""


def _allowed(raw: Mapping[str, Any], key: str) -> Allowed:
    return Allowed(
        allow=tuple(raw[key]) if key in raw else None, exclude=tuple(raw.get("exclude", ()))
    )


def is_filtered(reason: str) -> bool:
    """Whether a task that is left out was filtered, and so is no failure."""
    return reason.startswith(PREFIX)
