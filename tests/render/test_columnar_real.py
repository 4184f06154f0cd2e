"""Rendering by columns and row by row, held against each other over real upstream rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.io.mirror import Mirror
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.jobs.storing import ingest_mixture
from mixture_builder.jobs.task_renderers import option_pieces, task_renderer
from tests.render.test_columnar import by_draw
from tests.shared_mirror import write_mirror

pytestmark = [pytest.mark.shared, pytest.mark.slow]

RECIPE = {
    "name": "everything",
    "size": {"examples": 100_000},
    "submixtures": {
        "muffin": {"rate": 2, "tasks": ["muffin/*"]},
        "t0_sf": {"rate": 2, "tasks": ["t0_sf/*"]},
        "cot": {"rate": 1, "tasks": ["cot/*"], "inversion_rate": 0.3},
        "niv2": {"rate": 2, "tasks": ["niv2/task1[0-2]*"], "inversion_rate": 0.1},
    },
    "variants": {"zs_opt": 1, "zs_noopt": 1, "fs_opt": 1, "fs_noopt": 1},
    "shots": {"counts": {1: 1, 3: 1, 5: 1}},
    "limits": {"input_chars": 8192, "target_chars": 2048},
}


@pytest.fixture(scope="module")
def everything(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The lock of all tasks at hand, and the store of their rows."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    write_mirror(shared, folder / "mirror.yaml")
    mixture = load_mixture(folder / "recipe.yaml", shown_as="recipe.yaml")
    stored, broken = ingest_mixture(
        mixture,
        store=folder / "store",
        mirror=Mirror.load(folder / "mirror.yaml", offline=True),
        runner=LocalRunner(workers=2),
    )
    return lock_mixture(mixture, stored=stored, broken=broken), folder / "store"


def test_both_ways_give_the_same_examples_of_real_rows(everything: tuple[Any, Path]) -> None:
    """Texts, styles, exemplars and redraws of more than three hundred tasks are equal."""
    lock, store = everything
    pieces = option_pieces(lock.style_pools)
    by_columns = examples = 0
    for task in lock.plan.tasks:
        draws = range(min(task.quota, 30 if task.submixture == "niv2" else 120))
        rows = task_renderer(lock, task, store=store).render(draws)
        blocks = task_renderer(lock, task, store=store).render_blocks(draws, pieces)

        assert by_draw(blocks) == by_draw(rows), task.task
        assert sorted(blocks.redraws) == sorted(rows.redraws), task.task
        examples += len(draws)
        by_columns += sum(len(block.draws) for block in blocks.blocks)
    assert len(lock.plan.tasks) > 300
    assert by_columns > 0.8 * examples
