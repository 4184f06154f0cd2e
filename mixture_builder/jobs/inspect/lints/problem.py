"""Names and meanings of all lints, and what one of them finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixture_builder.findings import Severity

MEANINGS: Mapping[str, tuple[Severity, str]] = {
    "no_target": (Severity.ERROR, "The target holds neither a field nor a word."),
    "constant_target": (
        Severity.WARNING,
        "The target reads no field: it is the same for all rows.",
    ),
    "answer_in_input": (
        Severity.WARNING,
        (
            "The prompt of a direct template shows what its target asks for, or in a sample row the "
            "target's text stands in the prompt, outside the list of options and outside the fields "
            "that most direct templates of the file show."
        ),
    ),
    "alike": (
        Severity.WARNING,
        "Two templates of the file share more than two thirds of their words.",
    ),
    "few_templates": (
        Severity.WARNING,
        "The file has fewer than ten templates, or five where it has `prompt`.",
    ),
    "mostly_inverted": (Severity.WARNING, "More than half of the templates are inverted."),
    "none_inverted": (Severity.NOTE, "No template is inverted, in a file without `prompt`."),
    "own_labels": (
        Severity.NOTE,
        "More than a third of the templates end with a label of their own, such as `Answer:`.",
    ),
    "unused_field": (Severity.NOTE, "No template reads a field that the cards give."),
    "unused_file": (Severity.NOTE, "No card uses the file."),
    "not_compiled": (Severity.NOTE, "Sandboxed Jinja renders the text, more slowly."),
    "stray_space": (
        Severity.WARNING,
        (
            "With a sample row, or with an optional field of it emptied, two spaces stand together, a "
            "space stands before a mark or at one side of a bracket only, a line ends with a space, or "
            "there are three blank lines."
        ),
    ),
    "dangling_mark": (
        Severity.WARNING,
        (
            "An optional field, emptied, leaves quotation marks or brackets with nothing in them, or "
            "a mark at the beginning of a line."
        ),
    ),
    "doubled_mark": (
        Severity.WARNING,
        "With a sample row two marks stand together, such as `?.` or `..`.",
    ),
    "unbalanced": (Severity.WARNING, "Brackets or quotation marks are not closed, or not opened."),
    "odd_character": (
        Severity.WARNING,
        (
            "An invisible character, a space of another width, a bidirectional mark, or a letter of "
            "another script where all cards are in English."
        ),
    ),
    "placeholder": (
        Severity.WARNING,
        (
            "Something is left to be filled in: `TODO`, `XXX`, `???`, or the name of a field in single "
            "braces."
        ),
    ),
    "options_unseen": (
        Severity.WARNING,
        "A variant without a list of options speaks of options, choices or alternatives.",
    ),
    "option_count": (
        Severity.WARNING,
        (
            "The text says how many options there are (`both`, `either`, `three options`), and sample "
            "rows have another number."
        ),
    ),
    "article": (
        Severity.WARNING,
        "`a` or `an` stands before a field that may begin with any sound.",
    ),
    "none_in_text": (
        Severity.WARNING,
        "With a sample row a field comes out as `None`, `nan`, or a list in brackets.",
    ),
    "allow_unneeded": (Severity.WARNING, "`allow` names a lint that finds nothing."),
}
"""Every lint with its severity and what it finds."""

ALLOWABLE = (
    "answer_in_input", "constant_target", "stray_space", "dangling_mark", "doubled_mark",
    "unbalanced", "odd_character", "placeholder", "options_unseen", "option_count", "article",
    "none_in_text", "alike",
)  # fmt: skip
"""Lints that one template may silence with a reason; the schema of template files has the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that a lint has found.

    Attributes:
      lint: its name, one of `MEANINGS`.
      template: place of the template in its file; -1 for the file as a whole.
      key: of the text in the template; empty for the template as a whole.
      message: what was found and what was expected.
      remedy: the way out.
    """

    lint: str
    message: str
    remedy: str = ""
    template: int = -1
    key: str = ""
