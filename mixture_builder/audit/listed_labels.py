"""Targets that are letters, read as the options that they stand for in the list of their prompt."""

from __future__ import annotations

from collections.abc import Mapping

from mixture_builder.audit.layouts import ExemplarLayout, OptionLayout
from mixture_builder.audit.source_answers import LONGEST, plain_label
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView

MOST_SEEN = 64
"""Different targets of a task that are told apart; with more it is not looked at."""

Place = tuple[str, int]
"""File of a shard, and the place of a record in it."""

Seen = Mapping[str, tuple[int, Place]]
"""How often each label is a target, and the record that stands first."""


def add_label(seen: dict[str, tuple[int, Place]], label: str, count: int, place: Place) -> None:
    """Counts targets of a label; `place` is where the first of them stands."""
    before = seen.get(label)
    seen[label] = (count, place) if before is None else (before[0] + count, min(before[1], place))


def listed_labels(view: ShardView, rows: Numbers, seen: Seen) -> Seen | None:
    """Adds targets that are letters, as the options they stand for, to those that are counted.

    Gives `None` for too many labels, or too long ones.

    Args:
      view: of the stretch.
      rows: whose targets are letters.
      seen: what is counted already.
    """
    found = dict(seen)
    data, offsets = view.inputs.data, view.inputs.offsets
    for row in rows.tolist():
        style = int(view.style_codes[row])
        layout = view.styles.options(style)
        assert layout is not None
        index = layout.label_index(view.targets.text(row))
        if index < 0:
            continue
        shown = view.styles.exemplars(style) if view.few_shot[row] else None
        text = _option(data, int(offsets[row]), int(offsets[row + 1]), layout, index, shown)
        if text is None:
            continue
        if len(text) > LONGEST:
            return None
        label = plain_label(text.decode("utf-8", "replace"))
        add_label(found, label, 1, (view.file, view.first_row + row))
        if len(found) > MOST_SEEN:
            return None
    return found


def _option(
    data: bytes,
    start: int,
    end: int,
    layout: OptionLayout,
    index: int,
    exemplars: ExemplarLayout | None,
) -> bytes | None:
    """The text of an option of the last list of a prompt; `None` if there is no such option."""
    if exemplars is not None and data.endswith(exemplars.tail, start, end):
        end -= len(exemplars.tail)
    opening = layout.lead_in + layout.first
    at = data.rfind(opening, start, end)
    if at < 0:
        return None
    at += len(opening)
    for number in range(1, index + 1):
        mark = layout.separator + layout.prefix(number)
        at = data.find(mark, at, end)
        if at < 0:
            return None
        at += len(mark)
    stop = data.find(layout.separator + layout.prefix(index + 1), at, end)
    if stop < 0:
        line = data.find(b"\n", at, end)
        stop = end if line < 0 else line
    return data[at:stop]
