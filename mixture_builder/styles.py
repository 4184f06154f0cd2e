"""Styles: how exemplars, answer options and dialogs are laid out.

A style is drawn for each example, outside the templates, from pools that `templates/styles/`
holds. What was drawn stands in the example's `style` column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import add
from pathlib import Path
from typing import Any

from mixture_builder.findings import Finding
from mixture_builder.yaml_files import load_checked

INLINE_ONE_IN = 8
"""Options stand on one line in one of so many lists; a list with endings never does."""

MAX_LETTERS = 26

SENTENCE_ENDS = frozenset(".!?;:,…。！？；、؟।")
"""Marks after which an ending would stand double; then no option of the list gets one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExemplarLabels:
    """How an exemplar's input and target are introduced.

    Attributes:
      suits: `questions` for tasks that ask and answer, `any` for all.
      needs_visible_separator: blank lines alone would not tell exemplars apart.
    """

    id: str
    input: str
    target: str
    delimiter: str
    suits: str
    input_end: str = ""
    target_end: str = ""
    needs_visible_separator: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Separator:
    """What stands between two exemplars, or two options."""

    id: str
    text: str
    visible: bool = False
    inline: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A named text: a lead-in or an ending."""

    id: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionItem:
    """What stands before an option; an enumerating one makes its label the target."""

    id: str
    prefix: str
    enumerate: str = ""
    label: str = ""

    def prefix_of(self, index: int) -> str:
        """The text before the option at `index`."""
        return self.prefix.replace("{}", enumerated(self.enumerate, index))

    def label_of(self, index: int) -> str:
        """The target that stands for the option at `index`; empty for a plain bullet."""
        return self.label.replace("{}", enumerated(self.enumerate, index))


@dataclass(frozen=True, kw_only=True, slots=True)
class Speakers:
    """Labels of the two speakers of a dialog."""

    id: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OptionStyle:
    """How the options of one example are listed."""

    lead_in: Piece
    item: OptionItem
    ending: Piece
    separator: Separator

    @property
    def id(self) -> str:
        """Lead-in, item, ending and, where it is not a new line, separator."""
        parts = [self.lead_in.id, self.item.id, self.ending.id]
        return "/".join(parts + ([self.separator.id] if self.separator.inline else []))

    def text(self, options: Sequence[str]) -> str:
        """The list of options as it stands in a prompt."""
        prefixes = [self.item.prefix_of(i) for i in range(len(options))]
        return listed(
            options,
            lead_in=self.lead_in.text,
            prefixes=prefixes,
            ending=self.ending.text,
            separator=self.separator.text,
        )

    def target(self, options: Sequence[str], index: int) -> str:
        """What is to be predicted when the option at `index` is right."""
        return self.item.label_of(index) if self.item.enumerate else options[index]


def listed(
    options: Sequence[str], *, lead_in: str, prefixes: Sequence[str], ending: str, separator: str
) -> str:
    """Options as they stand in a prompt.

    Args:
      options: the answers.
      lead_in: what stands above them.
      prefixes: what stands before each option; at least as many as there are options.
      separator: what stands between them.
      ending: what stands after each, unless one of them ends with a mark already.
    """
    if ending:
        for option in options:
            if option[-1:] in SENTENCE_ENDS:
                ending = ""
                break
    if "\n" not in separator:
        # Indentation is for lines of their own.
        prefixes = [prefix.lstrip() for prefix in prefixes]
    text = (ending + separator).join(map(add, prefixes, options))
    return lead_in + text.lstrip("\n") + ending


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogStyle:
    """How the turns of one example are written."""

    lead_in: Piece
    speakers: Speakers
    turn_end: Piece

    @property
    def id(self) -> str:
        """Lead-in, speakers and turn end."""
        return f"{self.lead_in.id}/{self.speakers.id}/{self.turn_end.id}"

    def text(self, turns: Sequence[str]) -> str:
        """The dialog as it stands in a prompt; the first speaker has the first turn."""
        labels = (self.speakers.first, self.speakers.second)
        lines = [labels[i % 2] + turn for i, turn in enumerate(turns)]
        return self.lead_in.text + self.turn_end.text.join(lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Styles:
    """All pools, in the order of their files."""

    labels: tuple[ExemplarLabels, ...]
    separators: tuple[Separator, ...]
    option_lead_ins: tuple[Piece, ...]
    option_items: tuple[OptionItem, ...]
    option_endings: tuple[Piece, ...]
    option_separators: tuple[Separator, ...]
    dialog_lead_ins: tuple[Piece, ...]
    dialog_speakers: tuple[Speakers, ...]
    dialog_turn_ends: tuple[Piece, ...]

    def exemplar_styles(self, *, questions: bool) -> tuple[tuple[ExemplarLabels, Separator], ...]:
        """All pairs of labels and separator that may meet.

        Args:
          questions: whether the task asks something and answers it.
        """
        return tuple(
            (labels, separator)
            for labels in self.labels
            if questions or labels.suits == "any"
            for separator in self.separators
            if separator.visible or not labels.needs_visible_separator
        )

    def option_style(self, bits: int) -> OptionStyle:
        """The style that 64 random bits choose."""
        lead_in, bits = _pick(self.option_lead_ins, bits)
        item, bits = _pick(self.option_items, bits)
        ending, bits = _pick(self.option_endings, bits)
        inline = [s for s in self.option_separators if s.inline]
        lines = [s for s in self.option_separators if not s.inline]
        on_one_line = bool(inline) and not ending.text and bits % INLINE_ONE_IN == 0
        separator, _ = _pick(inline if on_one_line or not lines else lines, bits // INLINE_ONE_IN)
        return OptionStyle(lead_in=lead_in, item=item, ending=ending, separator=separator)

    def dialog_style(self, bits: int) -> DialogStyle:
        """The style that 64 random bits choose."""
        lead_in, bits = _pick(self.dialog_lead_ins, bits)
        speakers, bits = _pick(self.dialog_speakers, bits)
        turn_end, _ = _pick(self.dialog_turn_ends, bits)
        return DialogStyle(lead_in=lead_in, speakers=speakers, turn_end=turn_end)


def _pick(pool: Sequence[Any], bits: int) -> tuple[Any, int]:
    bits, index = divmod(bits, len(pool))
    return pool[index], bits


def enumerated(kind: str, index: int) -> str:
    """Letter, number or Roman numeral for a 0-based index.

    >>> [enumerated(kind, 3) for kind in ("upper", "lower", "digits", "upper_roman", "lower_roman")]
    ['D', 'd', '4', 'IV', 'iv']
    """
    if kind == "digits":
        return str(index + 1)
    if kind in {"upper", "lower"}:
        # Beyond the alphabet letters double: ... Z, AA, AB, as in spreadsheets.
        text, number = "", index
        while number >= 0:
            text = chr(ord("A") + number % MAX_LETTERS) + text
            number = number // MAX_LETTERS - 1
        return text if kind == "upper" else text.lower()
    text, number = "", index + 1
    for value, numeral in _NUMERALS:
        while number >= value:
            text += numeral
            number -= value
    return text if kind == "upper_roman" else text.lower()


_NUMERALS = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip


def load_styles(folder: Path) -> tuple[Styles | None, dict[str, Any], list[Finding]]:
    """The pools under `<folder>/styles`, their plain data, and what is wrong with them.

    Args:
      folder: the folder of templates.

    Returns:
      The pools and their plain data (for locks), or `None` and at least one error.
    """
    plain: dict[str, Any] = {}
    findings: list[Finding] = []
    for name in ("exemplars", "options", "dialogs"):
        path = folder / "styles" / f"{name}.yaml"
        shown_as = f"{folder.name}/styles/{name}.yaml"
        data, problems = load_checked(path, shown_as=shown_as, schema_name=f"{name[:-1]}_styles")
        findings.extend(problems)
        if not problems:
            plain[name] = {k: v for k, v in data.items() if k != "about"}
    if findings:
        return None, {}, findings
    return styles_from_json(plain), plain, []


def styles_from_json(plain: dict[str, Any]) -> Styles:
    """The pools from their plain data, as `load_styles` gave it."""
    exemplars, options, dialogs = plain["exemplars"], plain["options"], plain["dialogs"]
    return Styles(
        labels=tuple(ExemplarLabels(**raw) for raw in exemplars["labels"]),
        separators=tuple(Separator(**raw) for raw in exemplars["separators"]),
        option_lead_ins=tuple(Piece(**raw) for raw in options["lead_ins"]),
        option_items=tuple(OptionItem(**raw) for raw in options["items"]),
        option_endings=tuple(Piece(**raw) for raw in options["endings"]),
        option_separators=tuple(Separator(**raw) for raw in options["separators"]),
        dialog_lead_ins=tuple(Piece(**raw) for raw in dialogs["lead_ins"]),
        dialog_speakers=tuple(Speakers(**raw) for raw in dialogs["speakers"]),
        dialog_turn_ends=tuple(Piece(**raw) for raw in dialogs["turn_ends"]),
    )
