"""Our templates and styles are in our own words: no run of eight words is promptsource's.

`ALLOWED` holds what both may say, each with the reason; it is meant to stay short.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mixture_builder.imports.promptsource_files import read_promptsource
from mixture_builder.shipped import templates_folder
from mixture_builder.yaml_files import load_yaml
from tests.wording import RUN, Run, runs_of, shared_runs, texts_of

ALLOWED: dict[str, str] = {}
"""Phrases that both may hold, with the reason: names of labels, words that a dataset fixes."""

COPIED = "Suppose it is true that {{ premise }} Then is it so that {{ claim }} follows?"


@pytest.fixture(scope="module")
def known(shared: Path) -> dict[Run, str]:
    """Every run of promptsource's templates, with the first template that has it."""
    found: dict[Run, str] = {}
    for path in sorted((shared / "promptsource").rglob("templates.yaml")):
        upstream, findings = read_promptsource(path, shown_as=str(path))
        assert upstream is not None, findings
        for template in upstream.templates:
            for text in (template.jinja, template.answer_choices or ""):
                for run in runs_of(text):
                    found.setdefault(run, f"{upstream.name}: {template.name}")
    assert len(found) > 2_000
    return found


@pytest.mark.shared
def test_no_template_and_no_style_shares_a_run_of_words(known):
    """Not one run of eight words, in templates, styles, and what is said about them."""
    allowed = {run for phrase in ALLOWED for run in runs_of(phrase)}
    folder, found, files = templates_folder(), [], 0
    for path in sorted(folder.rglob("*.yaml")):
        files += 1
        data, findings = load_yaml(path, shown_as=path.name)
        assert not findings
        for text in texts_of(data):
            for run in shared_runs(text, known):
                if run not in allowed:
                    place = path.relative_to(folder).as_posix()
                    found.append(f"{place}: '{' '.join(run)}' as in {known[run]}")

    assert files > 100
    assert not found, "\n".join(found)


def test_what_is_allowed_is_short_and_needed():
    """A phrase that is allowed is one run of words or a little more, and has its reason."""
    assert all(RUN <= len(phrase.split()) <= RUN + 4 for phrase in ALLOWED)
    assert all(ALLOWED.values())


@pytest.mark.parametrize(
    "text",
    [
        COPIED,
        COPIED.upper().replace("PREMISE", "premise"),
        "suppose — it is true, that {{ other_name }}: then, is it (so) that {{ x | trim }} follows",
        "Suppose it is true that {% if a %}{{ a }}{% endif %} Then is it so that …",
        "Now read this.\nSuppose it\n  is true that {{ text }} then is {{ label }}",
        "{{ text }}\n\nTHEN IS IT SO THAT {{ claim }} follows? Suppose it is true that {{ x }}",
    ],
)
def test_a_planted_copy_is_found(text):
    """Other capitals, marks, line breaks, field names and filters do not hide a copy."""
    assert shared_runs(text, runs_of(COPIED))


@pytest.mark.parametrize(
    "text",
    [
        "Suppose it is true that {{ premise }} Does {{ claim }} follow?",
        "Is it so that {{ claim }} follows from {{ premise }}?",
        "{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }} {{ g }} {{ h }}",
    ],
)
def test_a_few_words_in_common_are_no_copy(text):
    """Seven words in a row, or fields alone, may be the same."""
    assert not shared_runs(text, runs_of(COPIED))


def test_every_text_of_a_file_is_read():
    """Few-shot texts, prompts, notes and the leads of styles are texts like any other."""
    data = {
        "about": "a",
        "templates": [{"id": "b", "input": "c", "few_shot": {"instruction": "d"}}],
        "items": [{"prefix": "e"}, {"count": 3}],
    }

    assert list(texts_of(data)) == ["a", "b", "c", "d", "e"]
