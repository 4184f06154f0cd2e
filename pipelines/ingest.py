"""From the sources of a recipe's tasks to rows in the store, on Apache Beam."""

from __future__ import annotations

from collections.abc import Sequence

from mixture_builder.io.mirror import Mirror
from mixture_builder.io.remote_store import shown
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.jobs.storing import ingest_mixture
from mixture_builder.shipped import find_recipe
from mixture_builder.transforms import BeamRunner
from pipelines.arguments import LEFT_OUT, pipeline_parser, recipe_of, run, tell

EXAMPLES = """\
examples:
  python -m pipelines.ingest quickstart --store=build/rows
  python -m pipelines.ingest quickstart --store=build/rows \\
      --runner=FnApiRunner --direct_num_workers=2 --direct_running_mode=multi_processing
  python -m pipelines.ingest quickstart --store=/shared/rows \\
      --runner=FlinkRunner --flink_master=HOST:8081 \\
      --environment_type=EXTERNAL --environment_config=localhost:50000

exit code: 0 if all tasks are stored, 3 if some are left out, 1 if none is
"""


def main(arguments: Sequence[str]) -> int:
    """Ingests what the store lacks; gives the exit code."""
    parser = pipeline_parser(
        "ingest", about="Brings the rows of a recipe's tasks into the store.", examples=EXAMPLES
    )
    args, beam_options = parser.parse_known_args(arguments)
    recipe = recipe_of(parser, args)
    runner = BeamRunner(args.runner, beam_options)
    mixture = load_mixture(find_recipe(recipe), shown_as=recipe, seed=args.seed)

    stored, broken = ingest_mixture(
        mixture,
        store=args.store,
        mirror=Mirror.load(args.mirror) if args.mirror else Mirror.empty(),
        runner=runner,
        on_task=tell_task,
    )
    for task, why in mixture.broken.items():
        tell(f"left out: {task}: {why}")
    tell(f"{mixture.recipe.name}: {len(stored):,} tasks in {shown(args.store)}")
    if not stored:
        return 1
    return LEFT_OUT if broken or mixture.broken else 0


def tell_task(task: str, result: StoredTask | str, already: bool) -> None:  # noqa: FBT001
    """Says what came of one task."""
    if isinstance(result, str):
        tell(f"left out: {task}: {result}")
    else:
        tell(f"{'was there' if already else 'stored'}: {task}: {result.rows:,} rows")


if __name__ == "__main__":
    run(main)
