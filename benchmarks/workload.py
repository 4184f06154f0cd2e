"""What the benchmarks work on, prepared once and not measured.

A workload is a folder:

    recipe.yaml, mirror.yaml    what `mixture-builder build` is given
    records/*.parquet           for the baselines: one file a task, a record for each example, with
                                the row's fields, its task, its template and whether options show
    pool.parquet                for the baselines: rows that exemplars are drawn from
    templates.json              for the baselines: the texts of the templates
    rendered/*.arrow            our own output, for the floor; see `keep_rendered`
    cards/, sources/            of tasks that are made for the workload; see `cut_tasks`
    built/                      the same as a finished mixture, for audits

So the baselines are spared all arithmetic: which row meets which template is decided, with the
quotas of our own plan. What is left to them is what a mixture is about: to say the records as
prompts, and to mix them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.cut_tasks import cut
from mixture_builder.drivers.local import LocalRunner
from mixture_builder.io.example_schema import REPETITIVE_COLUMNS
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.parquet import DEFAULT_COMPRESSION_LEVEL
from mixture_builder.io.stored_task import task_folder
from mixture_builder.jobs.loading import LoadedRecipe, load_mixture
from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.jobs.storing import ingest_mixture
from mixture_builder.lock import Lock
from mixture_builder.plan import EXAMPLES_PER_SHARD, TaskPlan
from tests.shared_mirror import write_mirror

ROOT = Path(__file__).resolve().parent.parent
RECIPES = Path(__file__).resolve().parent / "recipes"

CUTS = {"many_small": 1_836, "ten_large": 10}
"""Workloads of the same rows, and into how many tasks each cuts them."""

CUT_COLLECTION = "niv2/*"

POOL_ROWS = 1024
FEWEST_SHARDS = 2


class NotReadyError(Exception):
    """A workload cannot be prepared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """A prepared workload.

    Attributes:
      name: of the recipe file.
      folder: see the module.
      examples: how many every program makes.
      tasks: how many there are.
      data: `real rows` or `quickstart`.
    """

    name: str
    folder: Path
    store: Path
    examples: int
    tasks: int
    data: str

    @property
    def recipe(self) -> Path:
        """The recipe that is built."""
        return self.folder / "recipe.yaml"

    @property
    def mirror(self) -> Path:
        """Where the sources stand."""
        return self.folder / "mirror.yaml"

    @property
    def cards(self) -> Path | None:
        """The folder of cards, if they are not the shipped ones."""
        folder = self.folder / "cards"
        return folder if folder.exists() else None

    @property
    def records(self) -> Path:
        """The folder of records, if they have been written."""
        return self.folder / "records"

    @property
    def built(self) -> Path:
        """The folder of the finished mixture, if it has been kept."""
        return self.folder / "built"

    def inputs(self) -> list[Path]:
        """All files that a program may read, for warming the page cache."""
        return [p for top in (self.folder, self.store) for p in top.rglob("*") if p.is_file()]


def shared_data() -> Path | None:
    """The folder of kept upstream files, if there is one."""
    shared = Path(os.environ.get("MIXTURE_BUILDER_SHARED", ROOT.parent / "shared"))
    return shared if (shared / "data" / "SOURCES.csv").is_file() else None


def prepare(name: str, *, folder: Path, store: Path, examples: int, workers: int) -> Workload:
    """Makes the workload of one of the recipes in `benchmarks/recipes`.

    Args:
      name: of a recipe there, such as `zero_shot`.
      folder: for the workload; emptied first.
      store: of rows; what is there is used.
      examples: how many.
      workers: for ingest.

    Raises:
      NotReadyError: if a task cannot be ingested, or rows that are to be cut are not at hand.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shared = shared_data()
    if name in CUTS:
        return _prepare_cut(
            name, folder=folder, store=store, examples=examples, workers=workers, shared=shared
        )
    recipe = _write_recipe(name, folder, examples=examples, quickstart=not shared)
    mixture = load_mixture(recipe, shown_as=str(recipe))
    return _ingested(
        mixture,
        name=name,
        examples=examples,
        folder=folder,
        store=store,
        mirror=_mirror(mixture, shared, folder / "mirror.yaml"),
        runner=LocalRunner(workers=workers),
        data="real rows" if shared else "quickstart",
    )


def _write_recipe(name: str, folder: Path, *, examples: int, quickstart: bool = False) -> Path:
    raw = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    raw |= {"size": {"examples": examples}, "output": {"shards": _shards(examples)}}
    if quickstart:
        raw["submixtures"] = {"quickstart": {"rate": 1, "tasks": ["quickstart/*"]}}
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return recipe


def _ingested(
    mixture: LoadedRecipe,
    *,
    name: str,
    examples: int,
    folder: Path,
    store: Path,
    mirror: Mirror,
    runner: LocalRunner,
    data: str,
) -> Workload:
    """The workload of a recipe, once all rows of all its tasks are in the store."""
    _, broken = ingest_mixture(mixture, store=store, mirror=mirror, runner=runner)
    broken = {**mixture.broken, **broken}
    if broken:
        raise NotReadyError(
            "\n".join(f"{task}: {why}" for task, why in sorted(broken.items()))
            + f"\n{folder / 'recipe.yaml'}: these tasks cannot be ingested; all must be."
        )
    return Workload(
        name=name,
        folder=folder,
        store=store,
        examples=examples,
        tasks=len(mixture.cards),
        data=data,
    )


def _prepare_cut(
    name: str, *, folder: Path, store: Path, examples: int, workers: int, shared: Path | None
) -> Workload:
    """A workload of rows of Natural Instructions, cut into tasks of its own."""
    if not shared:
        raise NotReadyError(
            f"{name}: found no kept files of Natural Instructions, whose rows are cut into tasks; "
            "name their folder in MIXTURE_BUILDER_SHARED."
        )
    runner = LocalRunner(workers=workers)
    everything = folder / "collection.yaml"
    parts = {"collection": {"rate": 1, "tasks": [CUT_COLLECTION]}}
    everything.write_text(
        yaml.safe_dump({"name": "cut", "size": {"examples": examples}, "submixtures": parts}),
        encoding="utf-8",
    )
    collection = load_mixture(everything, shown_as=str(everything))
    mirror = _mirror(collection, shared, folder / "mirror.yaml")
    stored, _ = ingest_mixture(collection, store=store, mirror=mirror, runner=runner)
    rows = [
        _stored_rows(task_folder(store, task, found.fingerprint))
        for task, found in sorted(stored.items())
    ]
    sources = cut(pa.concat_tables(rows), folder, tasks=CUTS[name])
    (folder / "mirror.yaml").write_text(yaml.safe_dump({"sources": sources}), encoding="utf-8")
    recipe = _write_recipe(name, folder, examples=examples)
    return _ingested(
        load_mixture(recipe, shown_as=str(recipe), cards=folder / "cards"),
        name=name,
        examples=examples,
        folder=folder,
        # Its rows belong to it: other workloads have tasks of the same names.
        store=folder / "store",
        mirror=Mirror.load(folder / "mirror.yaml", offline=True),
        runner=runner,
        data="real rows",
    )


def write_records(workload: Workload) -> None:
    """Writes what the baselines read, unless it is there."""
    if workload.records.exists():
        return
    mixture = load_mixture(workload.recipe, shown_as=str(workload.recipe))
    stored, _ = ingest_mixture(
        mixture,
        store=workload.store,
        mirror=Mirror.load(workload.mirror, offline=True),
        runner=LocalRunner(workers=0),
    )
    lock = lock_mixture(mixture, stored=stored, broken={})
    _write_records(lock, store=workload.store, folder=workload.folder)


def _mirror(mixture: LoadedRecipe, shared: Path | None, file: Path) -> Mirror:
    """The kept copies of the files that the tasks name, and no others: reading it takes time."""
    every: dict[str, str] = {}
    if shared:
        write_mirror(shared, file)
        every = yaml.safe_load(file.read_text(encoding="utf-8"))["sources"]
    sources = [
        alternative.source for card in mixture.cards.values() for alternative in card.sources
    ]
    named = {name for source in sources for name in source.files}
    named |= {name for source in sources for beside in source.beside for name in beside.files}
    kept = {
        address: copy
        for address, copy in every.items()
        if any(n == address or (address.endswith("/") and n.startswith(address)) for n in named)
    }
    file.write_text(yaml.safe_dump({"sources": kept}), encoding="utf-8")
    return Mirror.load(file, offline=True)


def _shards(examples: int) -> int:
    """Of one size for all workloads, since memory follows it; a shard a worker at least."""
    return max(FEWEST_SHARDS, -(-examples // EXAMPLES_PER_SHARD))


def _write_records(lock: Lock, *, store: Path, folder: Path) -> None:
    drawn, pools = [], []
    for task in lock.plan.tasks:
        rows = _stored_rows(task_folder(store, task.task, lock.tasks[task.task].stored))
        required = [template.requires for template in lock.templates[task.templates]]
        for draws, template, shows_options in _dealt(task):
            able = _rows_with(rows, required[template])
            indices = able[draws % len(able)]
            drawn.append(
                rows.take(pa.array(indices))
                .append_column("task", _repeated(task.task, pa.string(), len(indices)))
                .append_column("template", _repeated(template, pa.int32(), len(indices)))
                .append_column("shows_options", _repeated(shows_options, pa.bool_(), len(indices)))
            )
        pool = rows.slice(0, POOL_ROWS)
        pools.append(pool.append_column("task", _repeated(task.task, pa.string(), len(pool))))
    # One schema for all files: tasks have other fields than each other.
    records = pa.concat_tables(drawn, promote_options="permissive")
    (folder / "records").mkdir()
    for number, task in enumerate(lock.plan.tasks):
        mine = records.filter(pc.equal(records.column("task"), task.task))
        # Groups small enough for Beam to split a file among its workers.
        target = folder / "records" / f"{number:05d}.parquet"
        if len(mine):
            pq.write_table(mine, target, row_group_size=10_000)
    pool = pa.concat_tables(pools, promote_options="permissive")
    pq.write_table(pool, folder / "pool.parquet")
    facts = {
        "shots": max(
            (n for t in lock.plan.tasks for n, _ in t.settings.shots.counts if _few_shot(t)),
            default=0,
        ),
        "templates": {t.task: _texts(lock, t) for t in lock.plan.tasks},
    }
    text = json.dumps(facts, ensure_ascii=False)
    (folder / "templates.json").write_text(text, encoding="utf-8")


def _stored_rows(folder: Path) -> pa.Table:
    table = pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()
    names = [name for name in table.column_names if not name.startswith("#")]
    # Tasks have other fields than each other: in one table most are empty for most rows.
    fields = [pa.field(name, table.schema.field(name).type) for name in names]
    return table.select(names).cast(pa.schema(fields))


def _repeated(value: Any, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _dealt(task: TaskPlan) -> Iterator[tuple[np.ndarray, int, bool]]:
    """Draws for each template of each cell, in turn."""
    start = 0
    for cell in task.cells:
        draws = np.arange(start, start + cell.quota)
        start += cell.quota
        for place, template in enumerate(cell.templates):
            mine = draws[place :: len(cell.templates)]
            if len(mine):
                yield mine, template, cell.shows_options


def _rows_with(rows: pa.Table, required: tuple[str, ...]) -> np.ndarray:
    """Numbers of the rows in which no required field is empty; all, where there is no such row."""
    able = np.ones(len(rows), dtype=bool)
    for name in required:
        able &= np.asarray([bool(value) for value in rows.column(name).to_pylist()])
    return np.flatnonzero(able) if able.any() else np.arange(len(rows))


def _few_shot(task: TaskPlan) -> bool:
    return any(cell.few_shot for cell in task.cells)


def _texts(lock: Lock, task: TaskPlan) -> list[dict[str, str]]:
    few_shot = _few_shot(task)
    result = []
    for template in lock.templates[task.templates]:
        texts = {
            "input": template.input_for(few_shot=few_shot).source,
            "target": template.target_for(few_shot=few_shot).source,
        }
        if few_shot and template.instruction:
            texts["instruction"] = template.instruction
        result.append(texts)
    return result


def keep_rendered(workload: Workload, built: Path) -> None:
    """Keeps a finished mixture as Arrow files for `benchmarks.write_floor`.

    Args:
      workload: gets the folder `rendered`.
      built: the folder of the mixture.
    """
    folder = workload.folder / "rendered"
    folder.mkdir(exist_ok=True)
    group_rows = 1
    for file in sorted((built / "data").glob("*.parquet")):
        source = pq.ParquetFile(file)
        group_rows = max(group_rows, source.metadata.row_group(0).num_rows)
        table = source.read().combine_chunks()
        with pa.ipc.new_file(folder / f"{file.stem}.arrow", table.schema) as writer:
            writer.write_table(table)
    # What `mixture_builder.io.parquet.write_parquet` passes to pyarrow.
    writer_options = {
        "compression": "zstd",
        "compression_level": DEFAULT_COMPRESSION_LEVEL,
        "use_dictionary": list(REPETITIVE_COLUMNS),
        "write_statistics": [*REPETITIVE_COLUMNS, "num_exemplars", "row", "draw"],
        "write_page_index": True,
        "write_page_checksum": True,
    }
    options = {"row_group_rows": group_rows, "writer": writer_options}
    (folder / "options.json").write_text(json.dumps(options), encoding="utf-8")
