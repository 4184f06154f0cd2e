"""Names and meanings of all lints, and what one of them finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixture_builder.findings import Severity


@dataclass(frozen=True, kw_only=True, slots=True)
class Lint:
    """What a lint looks for.

    Attributes:
      allowable: whether a template may silence it with a reason.
    """

    severity: Severity
    finds: str
    allowable: bool = False


LINTS: Mapping[str, Lint] = {
    "no_target": Lint(
        severity=Severity.ERROR,
        finds="The target holds neither a field nor a word.",
    ),
    "constant_target": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="The target reads no field: it is the same for all rows.",
    ),
    "answer_in_input": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="The prompt of a direct template shows what its target asks for, or in a sample row "
        "the text of the target stands in the prompt, outside the list of options and outside the "
        "fields that most direct templates of the file show.",
    ),
    "alike": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="Two templates of the file share more than two thirds of their words.",
    ),
    "few_templates": Lint(
        severity=Severity.WARNING,
        finds="The file has fewer than ten templates, or five where it has `prompt`.",
    ),
    "mostly_inverted": Lint(
        severity=Severity.WARNING,
        finds="More than half of the templates are inverted.",
    ),
    "none_inverted": Lint(
        severity=Severity.NOTE,
        finds="No template is inverted, in a file without `prompt`.",
    ),
    "own_labels": Lint(
        severity=Severity.NOTE,
        finds="More than a third of the templates end with a label such as `Answer:`.",
    ),
    "unused_field": Lint(
        severity=Severity.NOTE,
        finds="No template reads a field that the cards give.",
    ),
    "unused_file": Lint(
        severity=Severity.NOTE,
        finds="No card uses the file.",
    ),
    "not_compiled": Lint(
        severity=Severity.NOTE,
        finds="Sandboxed Jinja renders the text, more slowly.",
    ),
    "stray_space": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="With a sample row, or with an optional field of it emptied, two spaces stand "
        "together, a space stands before a mark or at one side of a bracket only, a line ends "
        "with a space, or there are three blank lines.",
    ),
    "dangling_mark": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="An optional field, emptied, leaves quotation marks or brackets with nothing in "
        "them, or a mark at the beginning of a line.",
    ),
    "doubled_mark": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="With a sample row two marks stand together, such as `?.` or `..`.",
    ),
    "unbalanced": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="Brackets or quotation marks are not closed, or not opened.",
    ),
    "odd_character": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="An invisible character, a space of another width, a bidirectional mark, or a letter "
        "of another script where all cards are in English.",
    ),
    "placeholder": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="Something is left to be filled in: `TODO`, `XXX`, `???`, or the name of a field in "
        "single braces.",
    ),
    "options_unseen": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="A variant without a list of options speaks of options, choices or alternatives.",
    ),
    "option_count": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="The text says how many options there are (`both`, `either`, `three options`), and "
        "sample rows have another number.",
    ),
    "article": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="`a` or `an` stands before a field that may begin with any sound.",
    ),
    "none_in_text": Lint(
        severity=Severity.WARNING,
        allowable=True,
        finds="With a sample row a field comes out as `None`, `nan`, or a list in brackets.",
    ),
    "allow_unneeded": Lint(
        severity=Severity.WARNING,
        finds="`allow` names a lint that finds nothing.",
    ),
}
"""All lints by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that a lint has found.

    Attributes:
      lint: its name, one of `LINTS`.
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
