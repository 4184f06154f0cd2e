"""How a running job shows itself: bars on a terminal, JSON lines for a log, else nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


class JobLog:
    """Tells a watcher what happens; everything goes to stderr.

    Args:
      as_json: one JSON object a line instead of bars and texts.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._started = time.monotonic()
        self._bar: Any = None

    @property
    def seconds(self) -> float:
        """Since this log began."""
        return round(time.monotonic() - self._started, 3)

    def event(self, event: str, **about: Any) -> None:
        """One line of a JSON log; nothing otherwise."""
        if self.as_json:
            line = json.dumps(
                {"event": event, **about, "seconds": self.seconds}, ensure_ascii=False
            )
            click.echo(line, err=True)

    def say(self, event: str, text: str, **about: Any) -> None:
        """Something the user must see: a JSON line, or a line of text."""
        if self.as_json:
            self.event(event, **about)
        elif self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)

    @contextmanager
    def bar(self, title: str, *, total: int, unit: str) -> Iterator[Bar]:
        """A bar with rate and time left, if stderr is a terminal."""
        if self.as_json or not sys.stderr.isatty():
            yield Bar(None)
            return
        from tqdm import tqdm

        with tqdm(
            total=total, desc=title, unit=f" {unit}", unit_scale=total >= 10_000, smoothing=0.1
        ) as shown:
            self._bar = shown
            try:
                yield Bar(shown)
            finally:
                self._bar = None


class Bar:
    """A progress bar, or none."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._started = time.monotonic()
        self._rows = 0
        self._half_done = 0

    def advance(self, count: int, *, already: bool = False) -> None:
        """Moves on; what was there already does not count for the rate."""
        if self._shown is None:
            return
        if already:
            self._shown.initial += count
            self._shown.n += count
            self._shown.refresh()
        else:
            self._shown.update(count)

    def half(self, count: int) -> None:
        """Moves on by half of so many, of which the other half follows as part of `whole`."""
        self._half_done += count // 2
        self.advance(count // 2)

    def whole(self, count: int, *, already: bool = False) -> None:
        """Moves on by so many, less the halves of them that were gone before."""
        credit = 0 if already else min(self._half_done, count // 2)
        self._half_done -= credit
        self.advance(count - credit, already=already)

    def of(self, count: int, total: int) -> None:
        """Moves on towards a total that was not known when the bar began."""
        if self._shown is not None:
            self._shown.total = total
            self._shown.update(count)

    def rows(self, count: int) -> None:
        """Shows a rate of rows beside the bar."""
        if self._shown is None:
            return
        self._rows += count
        rate = self._rows / max(time.monotonic() - self._started, 1e-9)
        self._shown.set_postfix_str(f"{rate:,.0f} rows/s", refresh=False)
