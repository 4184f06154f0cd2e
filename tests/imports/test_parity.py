"""Imported templates say what promptsource's say: all that are at hand, on records like theirs.

`records.yaml` holds a few records for each dataset. The reference here is plain Jinja under
promptsource's rules, written apart from the package's own.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from mixture_builder.canonical import RowMaker
from mixture_builder.imports.parity import compare, our_pair
from mixture_builder.imports.promptsource_files import UpstreamSet, read_promptsource
from mixture_builder.imports.template_files import ImportedSet, import_set, not_compiled
from mixture_builder.jinja_sandbox import choice, most_frequent

RECORDS = Path(__file__).parent / "records.yaml"

KNOWN_DIFFERENCES = {
    # Its list of solutions has no element -1 - (-1): theirs says nothing there, ours is an error.
    ("piqa", "correct_the_solution"): "records without a label",
}


@pytest.fixture(scope="module")
def collection(shared: Path) -> list[UpstreamSet]:
    """All template files of promptsource that are at hand."""
    sets = []
    for path in sorted((shared / "promptsource").rglob("templates.yaml")):
        upstream, findings = read_promptsource(path, shown_as=str(path))
        assert upstream is not None, findings
        sets.append(upstream)
    return sets


@pytest.fixture(scope="module")
def imported(collection: list[UpstreamSet]) -> list[ImportedSet]:
    """What became of them."""
    return [import_set(upstream) for upstream in collection]


def records_of(upstream: UpstreamSet) -> list[dict[str, Any]]:
    """The records of a dataset, or of its subset where that has other columns."""
    known = _records()
    first, *others = known.get(upstream.name) or known[upstream.dataset]
    return [first, *({**first, **other} for other in others)]


@cache
def _records() -> dict[str, list[dict[str, Any]]]:
    loaded: dict[str, list[dict[str, Any]]] = yaml.safe_load(RECORDS.read_text(encoding="utf-8"))
    return loaded


def plain_pair(jinja: str, choices: str | None, record: dict[str, Any], chance: int):
    """Prompt and target as promptsource's `Template.apply(record, truncate=False)` gives them."""
    env = jinja2.Environment()
    env.globals["zip"] = zip
    env.filters["choice"] = choice
    env.filters["most_frequent"] = most_frequent
    count = iter(range(1, 100))

    def rendered(source: str, **further: Any) -> list[str]:
        numbered = re.sub(r"\|\s*choice\b", lambda _: f"| choice({chance}, {next(count)})", source)
        seen = {k: v.replace("|||", "\0") if isinstance(v, str) else v for k, v in record.items()}
        text = env.from_string(numbered).render(**seen, **further)
        return [part.replace("\0", "|||").strip() for part in text.split("|||")]

    try:
        # The text's own choices are numbered before those of the answer choices.
        listed = rendered(choices) if choices is not None else None
        count = iter(range(1, 100))
        parts = rendered(jinja, answer_choices=listed)
    except Exception:  # noqa: BLE001  (a template may fail in any way)
        return None
    return tuple(parts) if len(parts) == 2 and all(parts) else None


@pytest.mark.shared
def test_every_template_is_imported(imported):
    """All 82 files and 701 templates are read, and none is left out."""
    assert len(imported) == 82
    assert sum(len(s.templates) for s in imported) == 701
    assert [(s.name, left) for s in imported for left in s.left_out] == []
    assert sum(len(not_compiled(s)) for s in imported) <= 50


@pytest.mark.shared
def test_texts_are_those_of_promptsource(imported):
    """At least 98 % of the texts are equal, what differs is named, and no template is silent."""
    equal, nothing, different = 0, 0, set()
    spoke = set()
    for one in imported:
        maker = RowMaker(one.card_source())
        for number, record in enumerate(records_of(one.upstream)):
            row = maker.row(dict(record))
            for template, source in zip(one.templates, one.sources, strict=True):
                theirs = plain_pair(source.jinja, source.answer_choices, record, number)
                found = our_pair(template, row, chance=number)
                ours = found if isinstance(found, tuple) else None
                name = (one.upstream.name, template.id)
                if theirs != ours:
                    different.add((*name, number))
                elif theirs is None:
                    nothing += 1
                else:
                    equal += 1
                    spoke.add(name)
    sys.stderr.write(
        f"\nequal: {equal}, different: {len(different)}, no pair on both sides: {nothing}\n"
    )
    silent = {(one.upstream.name, t.id) for one in imported for t in one.templates} - spoke

    assert {(name, template) for name, template, _ in different} == set(KNOWN_DIFFERENCES)
    assert equal / (equal + len(different)) >= 0.98
    assert silent == set()


@pytest.mark.shared
def test_the_comparison_of_the_package_finds_the_same(imported):
    """What `--check` finds is what plain Jinja under promptsource's rules finds."""
    different = set()
    for one in imported:
        parity = compare(one, records_of(one.upstream))
        different |= {(one.upstream.name, d.template) for d in parity.differences}

    assert different == set(KNOWN_DIFFERENCES)
