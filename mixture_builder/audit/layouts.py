"""What drawn styles put into a prompt, as bytes to be looked for."""

from __future__ import annotations

from dataclasses import dataclass

from mixture_builder.styles import OptionItem, Styles

PREPARED = 8
"""So many marks and labels are held of each style of options."""

MOST_OPTIONS = 200
"""Longer lists are not gone through."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnStyle:
    """A value of the column `style`, taken apart.

    Attributes:
      options: ids of lead-in, item, ending and, for lists on one line, separator; or empty.
      dialog: ids of lead-in, speakers and turn end; or empty.
      exemplars: ids of labels and separator; or empty.
    """

    options: tuple[str, ...] = ()
    dialog: tuple[str, ...] = ()
    exemplars: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExemplarLayout:
    """How exemplars are set off.

    Attributes:
      before: what an exemplar and the query begin with.
      marker: what stands between two of them: the end of one, and `before` of the next.
      tail: what the prompt ends with, after the query.
      between: what stands between a prompt and its target.
      lead: what stands between an instruction and the first exemplar.
    """

    before: bytes
    marker: bytes
    tail: bytes
    between: bytes
    lead: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionLayout:
    """How options are listed.

    Attributes:
      lead_in: what stands above them.
      item: of the pool.
      inline: whether they stand on one line.
      separator: between two of them.
      ending: after each, unless options end with marks of their own.
      first: what stands before the first option, where the list opens a text.
      opening: the lead-in and `first`; empty if the lead-in is nothing but white space.
      prefixes: what stands before the first options; made beforehand, for most lists are short.
      marks: the same, each with the separator before it.
      labels: the targets that stand for them; empty if options have no labels.
    """

    lead_in: bytes
    item: OptionItem
    inline: bool
    separator: bytes
    ending: bytes
    first: bytes
    opening: bytes
    prefixes: tuple[bytes, ...]
    marks: tuple[bytes, ...]
    labels: tuple[str, ...]

    def prefix(self, index: int) -> bytes:
        """What stands before an option, from 0."""
        if index < len(self.prefixes):
            return self.prefixes[index]
        text = self.item.prefix_of(index)
        return (text.lstrip() if self.inline else text).encode()

    def label_index(self, target: str) -> int:
        """Which option a label stands for; -1 for a text that is no label."""
        if target in self.labels:
            return self.labels.index(target)
        if len(self.labels) < PREPARED:
            return -1
        for index in range(PREPARED, MOST_OPTIONS):
            label = self.item.label_of(index)
            if label == target:
                return index
            if not label:
                return -1
        return -1


class Layouts:
    """Layouts of all styles of a mixture, by the ids in the column `style`.

    Args:
      styles: all pools.
    """

    def __init__(self, styles: Styles) -> None:
        self._labels = {s.id: s for s in styles.labels}
        self._separators = {s.id: s for s in styles.separators}
        self._lead_ins = {s.id: s for s in styles.option_lead_ins}
        self._items = {s.id: s for s in styles.option_items}
        self._endings = {s.id: s for s in styles.option_endings}
        self._option_separators = {s.id: s for s in styles.option_separators}
        self._lines = [s for s in styles.option_separators if not s.inline]
        self._marks: dict[tuple[str, bool], tuple[tuple[bytes, ...], tuple[str, ...]]] = {}
        self._exemplars: dict[tuple[str, ...], ExemplarLayout | None] = {}
        self._options: dict[tuple[str, ...], OptionLayout | None] = {}

    def exemplars(self, style: DrawnStyle) -> ExemplarLayout | None:
        """That of the exemplars; `None` if the style names none, or none of the pools."""
        return self.exemplars_of(style.exemplars)

    def exemplars_of(self, ids: tuple[str, ...]) -> ExemplarLayout | None:
        """The same for the ids that a style names."""
        if ids not in self._exemplars:
            self._exemplars[ids] = self._exemplar_layout(ids)
        return self._exemplars[ids]

    def options(self, style: DrawnStyle) -> OptionLayout | None:
        """That of the options; `None` if the style names none, or none of the pools."""
        return self.options_of(style.options)

    def options_of(self, ids: tuple[str, ...]) -> OptionLayout | None:
        """The same for the ids that a style names."""
        if ids not in self._options:
            self._options[ids] = self._option_layout(ids)
        return self._options[ids]

    def item_of(self, ids: tuple[str, ...]) -> OptionItem | None:
        """The item of a layout of options; `None` if there is no such layout."""
        if len(ids) not in {3, 4} or ids[0] not in self._lead_ins or ids[2] not in self._endings:
            return None
        if len(ids) == 4 and ids[3] not in self._option_separators:
            return None
        return self._items.get(ids[1])

    def is_readable(self, ids: tuple[str, ...]) -> bool:
        """Whether a list can be told apart from what follows: it has marks, and lines of its own.

        Args:
          ids: of a layout of options that there is.
        """
        lead_in = self._lead_ins[ids[0]].text.encode()
        return bool(self._items[ids[1]].enumerate and len(ids) == 3 and lead_in.strip())

    def _exemplar_layout(self, ids: tuple[str, ...]) -> ExemplarLayout | None:
        if len(ids) != 2 or ids[0] not in self._labels or ids[1] not in self._separators:
            return None
        labels, separator = self._labels[ids[0]], self._separators[ids[1]]
        between = labels.input_end + labels.delimiter + labels.target
        after = labels.target_end + separator.text
        return ExemplarLayout(
            before=labels.input.encode(),
            marker=(after + labels.input).encode(),
            tail=between.rstrip().encode(),
            between=between.encode(),
            lead=(separator.text + labels.input).encode(),
        )

    def _option_layout(self, ids: tuple[str, ...]) -> OptionLayout | None:
        item, inline = self.item_of(ids), len(ids) == 4
        if item is None:
            return None
        if inline:
            text = self._option_separators[ids[3]].text
        elif len({s.text for s in self._lines}) == 1:
            text = self._lines[0].text
        else:
            # Which of them was drawn does not stand in the style: all begin a new line.
            text = "\n"
        marks = self._marks.get((item.id, inline))
        if marks is None:
            marks = self._marks[item.id, inline] = _marks(item, inline=inline)
        prefixes, labels = marks
        lead_in, first = self._lead_ins[ids[0]].text.encode(), prefixes[0].lstrip()
        return OptionLayout(
            lead_in=lead_in,
            item=item,
            inline=inline,
            separator=text.encode(),
            ending=self._endings[ids[2]].text.encode(),
            first=first,
            opening=lead_in + first if lead_in.strip() else b"",
            prefixes=prefixes,
            marks=tuple(text.encode() + prefix for prefix in prefixes),
            labels=labels,
        )


def _marks(item: OptionItem, *, inline: bool) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """What stands before the first options, and their labels up to the first that has none."""
    texts = [item.prefix_of(index) for index in range(PREPARED)]
    labels = [item.label_of(index) for index in range(PREPARED if item.enumerate else 0)]
    ended = labels.index("") if "" in labels else len(labels)
    return (
        tuple((text.lstrip() if inline else text).encode() for text in texts),
        tuple(labels[:ended]),
    )
