"""A few-shot prompt taken apart again: instruction, exemplars, query."""

from __future__ import annotations

from dataclasses import dataclass

from mixture_builder.styles import ExemplarLabels, Separator, Styles


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptParts:
    """What a prompt consists of; put together they hold every letter but the separators.

    Attributes:
      instruction: what stands once at the top, if anything does.
      exemplars: solved pairs, as they stand in the prompt.
      query: what is asked.
      clear: whether the borders are certain; if not, all stands in `query`.
    """

    instruction: str
    exemplars: tuple[str, ...]
    query: str
    clear: bool


def take_apart(
    prompt: str, *, style: str, styles: Styles, exemplars: int, instructed: bool
) -> PromptParts:
    """The parts of a prompt.

    Args:
      prompt: the finished text.
      style: what was drawn for it, as the record's column says.
      styles: the pools it was drawn from.
      exemplars: how many solved pairs it shows.
      instructed: whether an instruction stands above them.
    """
    drawn = _exemplar_style(style, styles)
    if not exemplars or drawn is None:
        return PromptParts(instruction="", exemplars=(), query=prompt, clear=not exemplars)
    labels, separator = drawn
    instruction, rest, clear = "", prompt, True
    if instructed:
        instruction, between, rest = prompt.partition(separator.text + labels.input)
        clear = bool(between)
        rest = labels.input + rest
    pieces = rest.split(labels.target_end + separator.text + labels.input)
    if not clear or len(pieces) != exemplars + 1:
        # A text of a row holds the separator too: no border would be certain.
        return PromptParts(instruction="", exemplars=(), query=prompt, clear=False)
    solved = [pieces[0], *(labels.input + piece for piece in pieces[1:-1])]
    return PromptParts(
        instruction=instruction,
        exemplars=tuple(text + labels.target_end for text in solved),
        query=labels.input + pieces[-1],
        clear=True,
    )


def _exemplar_style(style: str, styles: Styles) -> tuple[ExemplarLabels, Separator] | None:
    for part in style.split(";"):
        name, _, drawn = part.partition("=")
        if name != "exemplars":
            continue
        labels_id, _, separator_id = drawn.partition("/")
        labels = [entry for entry in styles.labels if entry.id == labels_id]
        separators = [entry for entry in styles.separators if entry.id == separator_id]
        if labels and separators:
            return labels[0], separators[0]
    return None
