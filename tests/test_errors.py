"""Errors: the tree in the docstring is the tree in the code, and workers can raise them all."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from mixture_builder import errors
from mixture_builder.errors import InvalidFilesError, MixtureBuilderError, UsageError
from mixture_builder.findings import error

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, MixtureBuilderError)
]


def one(kind: type[MixtureBuilderError]) -> MixtureBuilderError:
    if kind is InvalidFilesError:
        return InvalidFilesError(
            (error("a.yaml", "x", "found 'é'.", "Écris e.", line=2), error("b.yaml", "", "gone."))
        )
    return kind("cards/a.yaml: found one\nthing; expected another. Do this.")


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_survives_pickling(kind, protocol):
    """A worker's error arrives with its class, text, exit code and findings."""
    raised = one(kind)
    arrived = pickle.loads(pickle.dumps(raised, protocol=protocol))

    assert type(arrived) is kind
    assert str(arrived) == str(raised)
    assert arrived.args == raised.args
    assert arrived.exit_code == raised.exit_code
    if isinstance(raised, InvalidFilesError):
        assert arrived.findings == raised.findings


def test_the_docstring_draws_the_tree_as_it_is():
    """Every class stands in the module's docstring, under the class it comes from."""
    assert errors.__doc__ is not None
    drawn: list[tuple[str, str]] = []
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"( +)([A-Z]\w+Error)  +\w", line)
        if not found:
            continue
        indent = len(found[1])
        while path and path[-1][0] >= indent:
            path.pop()
        drawn.append((found[2], path[-1][1] if path else "Exception"))
        path.append((indent, found[2]))

    assert sorted(drawn) == sorted((kind.__name__, kind.__bases__[0].__name__) for kind in CLASSES)


def test_exit_codes_tell_a_wrong_command_from_a_failed_one():
    """A wrong command line exits with 2, everything else with 1."""
    assert {kind.__name__: kind.exit_code for kind in CLASSES if kind.exit_code != 1} == {
        "UsageError": UsageError.exit_code
    }
    assert UsageError.exit_code == 2


def test_invalid_files_say_all_that_is_wrong():
    """The text of the error is the report of all findings."""
    assert str(one(InvalidFilesError)).splitlines() == [
        "a.yaml: 1 error",
        "  error    line 2: x  found 'é'. Écris e.",
        "b.yaml: 1 error",
        "  error    -  gone.",
    ]
