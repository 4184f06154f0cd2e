"""Every error a user can cause.

    MixtureBuilderError            base; `exit_code` is what the command line returns
      UsageError                   the command line or an argument is wrong (exit 2)
      InvalidFilesError            cards, templates, styles or recipes have findings
      RecipeError                  a valid recipe asks for something impossible
      SourceError                  a task's source cannot be read at all
      RenderError                  one template cannot be rendered for one row
      StoreError                   the row store is missing or damaged
      BuildError                   a build cannot start or cannot be finished
      VerifyError                  a built mixture is not what its manifest says

An error's text answers: which file, which place in it, what was found, what was
expected, and the way out. All of them survive pickling, because workers raise them.
`assert` is kept for our own mistakes.
"""

from __future__ import annotations

from mixture_builder.findings import Finding, Report


class MixtureBuilderError(Exception):
    """Base of every error a user can cause; its text is ready to be shown."""

    exit_code = 1


class UsageError(MixtureBuilderError):
    """The command line, or an argument of a public function, is wrong."""

    exit_code = 2


class InvalidFilesError(MixtureBuilderError):
    """Files written by people have errors; carries all of them, worst first."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(findings)
        self.findings = findings

    def __str__(self) -> str:
        return Report(findings=self.findings).format()


class RecipeError(MixtureBuilderError):
    """A recipe is well formed but asks for something that cannot be done."""


class SourceError(MixtureBuilderError):
    """A task's source cannot be read: missing, truncated, or of another shape."""


class RenderError(MixtureBuilderError):
    """A template cannot be rendered for a row; the row goes to quarantine."""


class StoreError(MixtureBuilderError):
    """The row store lacks a task, or a file in it is damaged."""


class BuildError(MixtureBuilderError):
    """A build cannot start, or a shard failed on every attempt."""


class VerifyError(MixtureBuilderError):
    """A built mixture differs from its manifest."""
