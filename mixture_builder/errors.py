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

import errno
import os

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


_WAYS_OUT = {
    errno.ENOSPC: "Make room there",
    errno.EDQUOT: "Make room within the quota, or have it raised",
    errno.EFBIG: "Raise the largest size of a file (ulimit -f), or use smaller shards (--shards)",
    errno.ENOMEM: "Use fewer workers (--workers) or smaller shards (--shards)",
    errno.EMFILE: "Raise the number of files that a process may open (ulimit -n)",
    errno.ENFILE: "Close other programs, or raise the system's number of open files",
    errno.EIO: "Look after the disk or the network share",
    errno.EROFS: "Name a folder on a file system that can be written",
    errno.EACCES: "Grant access there",
    errno.EPERM: "Grant access there",
    errno.ESTALE: "Mount the network share again",
    errno.ENAMETOOLONG: "Give it a shorter name",
    errno.ELOOP: "Mend the symbolic links there",
}

_RAN_OUT = frozenset([errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE])


_NO_THREAD = "can't start new thread"
"""All that Python says where the system refuses one, for want of memory or by a limit."""


def ran_out(problem: BaseException) -> bool:
    """Whether this machine ran out of something: space, memory, files.

    That says nothing about the file that was being read or the task that was at work.
    """
    return _number_of(problem) in _RAN_OUT


def of_the_machine(problem: BaseException) -> str:
    """What this machine lacks and the way out; empty if the problem is of another kind."""
    number = _number_of(problem)
    if number not in _WAYS_OUT:
        return ""
    # Arrow's own words for it say less.
    what = os.strerror(number)
    if number == errno.ENOMEM:
        what = "no memory is left"
        if isinstance(problem, RuntimeError):
            what += " for another thread, or their number is limited"
    elif isinstance(problem, OSError) and problem.filename is not None:
        what = f"{problem.filename}: {what}"
    return (
        f"{what}. {_WAYS_OUT[number]}, and run the same command again: what is finished is kept, "
        "and nothing that is half-written is taken for finished."
    )


def _number_of(problem: BaseException) -> int:
    """The system's number of an error; 0 if it has none. Arrow says some of them in words only."""
    if isinstance(problem, MemoryError):
        return errno.ENOMEM
    if isinstance(problem, RuntimeError) and str(problem) == _NO_THREAD:
        return errno.ENOMEM
    if not isinstance(problem, OSError):
        return 0
    if problem.errno is not None:
        return problem.errno
    said = str(problem)
    return next((number for number in _WAYS_OUT if said.endswith(os.strerror(number))), 0)
