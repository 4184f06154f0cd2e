"""Records that a reader of texts has something against, gathered until they are all known."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from mixture_builder.audit.hits import Hits
from mixture_builder.audit.text_column import Numbers, TextColumn
from mixture_builder.audit.view import ShardView


class Noted:
    """Records of a stretch, by what is wrong with them.

    Args:
      view: of the stretch.
    """

    def __init__(self, view: ShardView) -> None:
        self.view = view
        self._rows: dict[str, list[int]] = {}
        self._places: dict[str, list[int]] = {}

    @cached_property
    def inputs(self) -> TextColumn:
        """The prompts."""
        return self.view.inputs

    @cached_property
    def targets(self) -> TextColumn:
        """The targets."""
        return self.view.targets

    def note(self, check: str, row: int, at: int = 0) -> None:
        """Notes a record for a check; `at` is where in its text the fault is."""
        self._rows.setdefault(check, []).append(row)
        # In characters, for the excerpt; bytes are near enough and cost nothing.
        self._places.setdefault(check, []).append(at)

    def note_all(self, check: str, rows: Numbers) -> None:
        """Notes records of which nothing more is known."""
        for row in rows.tolist():
            self.note(check, row)

    def add_to(self, hits: Hits) -> None:
        """Counts all that is noted, in the order of the records."""
        for check, rows in self._rows.items():
            column = "targets" if check.endswith("_of_target") else "inputs"
            order = np.argsort(np.asarray(rows), kind="stable").tolist()
            places = self._places[check]
            self.view.hit(
                hits,
                check,
                [rows[i] for i in order],
                column=column,
                at=[places[i] for i in order],
            )
