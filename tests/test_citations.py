"""The sources' papers come out as BibTeX that BibTeX takes: each entry once, each key once."""

from __future__ import annotations

import re
from typing import Any

from mixture_builder.citations import bibliography, citations_of, keys_by_task

ONE = "@article{doe,\n title={One}\n}"
TWO = "@article{doe,\n title={Two}\n}"


def manifest_citing(*texts: str, **tasks: Any) -> dict[str, Any]:
    """A manifest whose tasks are called `a`, `b`, ..., each citing one text, with one example."""
    cited = {
        name: {"card": {"citation": str(number)}, "realised": 1}
        for number, (name, _) in enumerate(zip("abcdefgh", texts, strict=False))
    }
    return {
        "name": "m",
        "citations": {str(number): text for number, text in enumerate(texts)},
        "tasks": {**cited, **tasks},
    }


def test_what_several_tasks_cite_has_one_entry() -> None:
    """An entry is kept once, however its lines are broken, with all tasks that cite it."""
    found = citations_of(manifest_citing(ONE, ONE.replace("\n", "\n\n "), TWO))

    assert [(c.key, c.tasks) for c in found] == [("doe", ("a", "b")), ("doe_1", ("c",))]
    assert [" ".join(c.text.split()) for c in found] == [
        "@article{doe, title={One} }",
        "@article{doe_1, title={Two} }",
    ]


def test_no_two_entries_have_one_key() -> None:
    """A key that is made may be there already; BibTeX does not tell capitals from small letters."""
    texts = [f"@misc{{{key}, title={{{key} {n}}}}}" for n, key in enumerate("x x_1 X x".split())]
    keys = [c.key.casefold() for c in citations_of(manifest_citing(*texts))]

    assert len(set(keys)) == len(keys) == 4
    written = re.findall(r"@misc\{([^,]+),", bibliography(manifest_citing(*texts)).casefold())
    assert written == keys


def test_a_text_of_several_entries_is_taken_apart() -> None:
    """A card that cites two papers, and one that cites the second of them, make two entries."""
    other = "@misc{roe, title={At}, note={a @ and @doe{ in a field}}"
    found = citations_of(manifest_citing(f"{ONE}\n  {other}", other))

    assert [(c.key, c.tasks) for c in found] == [("doe", ("a",)), ("roe", ("a", "b"))]
    assert keys_by_task(manifest_citing(f"{ONE}\n  {other}", other)) == {
        "a": ["doe", "roe"],
        "b": ["roe"],
    }


def test_a_text_that_is_no_bibtex_is_kept_as_it_is() -> None:
    """What a card says is not thrown away, and has no key."""
    found = citations_of(manifest_citing("Doe (1999), in print"))

    assert [(c.key, c.text) for c in found] == [("", "Doe (1999), in print")]
    assert keys_by_task(manifest_citing("Doe (1999), in print")) == {"a": []}


def test_only_tasks_that_gave_examples_are_cited() -> None:
    """Nothing of a task without examples is in the mixture; before a build nobody has counted."""
    manifest = manifest_citing(
        ONE,
        empty={"card": {"citation": "0"}, "realised": 0},
        planned={"card": {"citation": "0"}},
        without={"card": {"citation": ""}, "realised": 1},
        unknown={"realised": 1},
    )

    assert [c.tasks for c in citations_of(manifest)] == [("a", "planned")]
    assert not citations_of({"name": "m", "tasks": {"x": {"realised": 1}}})


def test_the_file_names_the_tasks_above_each_entry() -> None:
    """Some by name, of the others the number."""
    assert bibliography(manifest_citing(*[ONE] * 5, TWO)) == (
        "% What the mixture 'm' is made of: 2 citations.\n\n"
        f"% a, b, c and 2 more\n{ONE}\n\n% f\n{TWO.replace('doe', 'doe_1')}\n"
    )
