"""Every template says something for every real row: no error, no empty prompt, no empty target."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.draw import Indices, random_bits
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import find_task, task_fingerprint, task_folder
from mixture_builder.jinja_running import describe
from mixture_builder.render.drawn import TARGET_ANSWER
from mixture_builder.render.options import list_options
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.template_files import load_templates
from mixture_builder.templates import PromptTemplate
from tests.cli.helpers import run
from tests.makers import shipped_styles
from tests.shared_mirror import write_mirror

AT_ONCE = 4096
"""Rows that are rendered together."""

PARTS = {"cot": 15_000, "muffin": 40_000, "t0_sf": 60_000, "niv2": 60_000}
"""Submixtures, and fewest rows of their real files that must have been seen."""


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_template_renders_every_real_row(
    part: str, shared: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each template, in each of its variants, gives each row that it can serve a whole text."""
    store = ingested(part, shared=shared, folder=tmp_path)
    cards, findings = load_cards(cards_folder(), wanted=lambda file: file.startswith(f"{part}/"))
    assert not findings
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    for card in cards.values():
        stored = find_task(store, card.id, task_fingerprint(card))
        if stored is None or not stored.rows:
            continue
        folder = task_folder(store, card.id, stored.fingerprint)
        rows = StoredRows(folder, expected_rows=stored.rows)
        seen["tasks"] += 1
        seen["rows"] += stored.rows
        wrong += problems_of(card, rows, seen)
        assert len(wrong) < 20, wrong

    for name, count in seen.items():
        record_property(f"{part} {name}", count)
    assert not wrong
    assert seen["rows"] >= PARTS[part], seen
    assert seen["pairs"] >= 5 * seen["rows"], seen


def ingested(part: str, *, shared: Path, folder: Path) -> Path:
    """A store with the rows of all tasks of a submixture whose files are at hand."""
    write_mirror(shared, folder / "mirror.yaml")
    recipe = {
        "name": "rows",
        "size": {"examples": 1000},
        "submixtures": {part: {"rate": 1, "tasks": [f"{part}/*"]}},
    }
    (folder / "rows.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = run(
        *("ingest", folder / "rows.yaml", "--offline", "--mirror", folder / "mirror.yaml"),
        *("--store", folder / "store", "--workers", 0, "--json"),
    )
    assert done.exit_code in {0, 3}, done.output
    assert json.loads(done.stdout)["rows"]
    return folder / "store"


def problems_of(card: TaskCard, rows: StoredRows, seen: Counter[str]) -> Iterator[str]:
    """Errors and empty texts of all templates of a card; what was rendered is counted."""
    loaded, findings = load_templates(templates_folder(), card.templates)
    assert loaded is not None, findings
    for start in range(0, rows.count, AT_ONCE):
        indices = np.arange(start, min(start + AT_ONCE, rows.count))
        for shows in (False, True) if card.has_options else (False,):
            columns = columns_of(rows, indices, shows=shows)
            for template in loaded.templates:
                served = template.served(has_options=card.has_options)
                for few_shot in (False, True):
                    variant = f"{'fs' if few_shot else 'zs'}_{'opt' if shows else 'noopt'}"
                    own = template.few_shot_input or template.few_shot_target
                    # Few-shot queries are rendered alike unless they have texts of their own.
                    if variant not in served or (few_shot and not own):
                        continue
                    for place, what in render(template, columns, few_shot, len(indices), seen):
                        yield f"{card.id} {template.id} {variant} row {start + place}: {what}"


def columns_of(rows: StoredRows, indices: Indices, *, shows: bool) -> dict[str, list[Any]]:
    """What templates see of some rows, each with an option style and a dialog style of its own."""
    pools = shipped_styles()
    columns = rows.columns(rows.fields, indices)
    bits = random_bits(7, indices)
    if "options" in columns:
        drawn = (bits % np.uint64(pools.option_styles)).astype(np.int64).tolist()
        listed = list_options(
            columns["options"],
            columns["answer_index"],
            styles=pools,
            numbers=drawn if shows else [-1] * len(indices),
            order=None,
        )
        columns |= {
            "options_text": listed.texts,
            "answer_text": listed.answers,
            "answer": listed.answers,
            TARGET_ANSWER: listed.targets,
        }
    if "answers" in columns:
        columns["answer"] = [answers[0] for answers in columns["answers"]]
    if "turns" in columns:
        columns["dialog_text"] = [
            pools.dialog_style(b).text(turns)
            for b, turns in zip(bits.tolist(), columns["turns"], strict=True)
        ]
    return columns


def render(
    template: PromptTemplate,
    columns: dict[str, list[Any]],
    few_shot: bool,
    count: int,
    seen: Counter[str],
) -> Iterator[tuple[int, str]]:
    """Places of rows for which a prompt or a target is an error or empty."""
    served = [i for i in range(count) if all(columns[name][i] for name in template.requires)]
    inputs = template.input_for(few_shot=few_shot)
    targets = template.target_for(few_shot=few_shot)
    in_target = {**columns, "answer": columns.get(TARGET_ANSWER, columns.get("answer", []))}
    for text, of_all in ((inputs, columns), (targets, in_target)):
        names = of_all
        if len(served) < count:
            names = {name: [of_all[name][i] for i in served] for name in text.names}
        for place, made in zip(served, text.render_many(names, len(served)), strict=True):
            if not made:
                yield place, f"{text.source[:40]!r} comes out empty"
            elif not isinstance(made, str):
                yield place, f"{text.source[:40]!r}: {describe(made)}"
    seen["pairs"] += len(served)
