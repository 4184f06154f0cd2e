"""Pins: the only styles that a recipe lets be drawn, by id or glob."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from mixture_builder.findings import did_you_mean
from mixture_builder.styles import Styles

POOLS: Mapping[str, Mapping[str, str]] = {
    "exemplars": {"labels": "labels", "separators": "separators"},
    "options": {
        "lead_ins": "option_lead_ins",
        "items": "option_items",
        "endings": "option_endings",
        "separators": "option_separators",
    },
    "dialogs": {
        "lead_ins": "dialog_lead_ins",
        "speakers": "dialog_speakers",
        "turn_ends": "dialog_turn_ends",
    },
}
"""For each file of styles its pools, and the attribute of `Styles` that holds each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StylePins:
    """The pools that are pinned; all others are drawn from as they stand.

    Attributes:
      pinned: pool (`exemplars.labels`) and the ids or globs that are left of it, sorted by pool.
    """

    pinned: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def with_more(self, raw: Mapping[str, Mapping[str, list[str]]]) -> StylePins:
        """These pins with those of a recipe's `styles` laid over them, pool by pool."""
        laid = dict(self.pinned)
        for file, pools in raw.items():
            laid.update({f"{file}.{pool}": tuple(ids) for pool, ids in pools.items()})
        return StylePins(pinned=tuple(sorted(laid.items())))

    def apply(self, styles: Styles) -> Styles:
        """The pools with what is not pinned taken out, in the order of their files."""
        left = {}
        for pool, globs in self.pinned:
            file, name = pool.split(".")
            attribute = POOLS[file][name]
            left[attribute] = tuple(s for s in getattr(styles, attribute) if _named(s, globs))
        return replace(styles, **left) if left else styles

    def problems(self, styles: Styles) -> Iterator[tuple[str, str, str]]:
        """Place, message and remedy of every pin that leaves nothing to draw.

        Args:
          styles: all pools.
        """
        sound = True
        for pool, globs in self.pinned:
            file, name = pool.split(".")
            known = [s.id for s in getattr(styles, POOLS[file][name])]
            for glob in globs:
                if not any(fnmatchcase(style, glob) for style in known):
                    sound = False
                    yield (
                        pool,
                        f"found '{glob}', which names none of the {len(known)} styles there.",
                        did_you_mean(glob, known) or f"See styles/{file}.yaml for their ids.",
                    )
        if not sound:
            return
        left = self.apply(styles)
        if not left.exemplar_styles(questions=False):
            visible = "" if any(s.visible for s in left.separators) else " or a visible separator"
            message = (
                "found no labels that suit all tasks and may meet one of the separators; inverted "
                "templates and tasks that ask no question need some."
            )
            yield "exemplars", message, f"Add labels with `suits: any`{visible}."


ALL_STYLES = StylePins()
"""Nothing is pinned."""


def _named(style: Any, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(style.id, glob) for glob in globs)
