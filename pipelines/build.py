"""From a recipe to a finished mixture, on Apache Beam."""

from __future__ import annotations

from collections.abc import Sequence

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.drivers.pool import available_cores
from mixture_builder.io.mirror import Mirror
from mixture_builder.jobs.building import build_mixture
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.jobs.storing import ingest_mixture, stored_mixture
from mixture_builder.manifest import ShardResult
from mixture_builder.shipped import find_recipe
from mixture_builder.transforms import BeamRunner
from pipelines.arguments import LEFT_OUT, pipeline_parser, recipe_of, run, tell
from pipelines.ingest import tell_task

EXAMPLES = """\
examples:
  python -m pipelines.build quickstart --out=build/quickstart
  python -m pipelines.build quickstart --out=build/quickstart \\
      --runner=FnApiRunner --direct_num_workers=2 --direct_running_mode=multi_processing

  Dataflow sees no folder of this machine: rows are ingested here, copied to --rows, and
  read from there. IMAGE has this version of Python and of mixture-builder[gcp,gcs].
  python -m pipelines.build quickstart --out=gs://BUCKET/quickstart --rows=gs://BUCKET/rows \\
      --runner=DataflowRunner --project=PROJECT --region=REGION --sdk_container_image=IMAGE \\
      --temp_location=gs://BUCKET/tmp --staging_location=gs://BUCKET/staging

exit code: 0 if the mixture holds all tasks (or the job is started), 3 if some are left out
"""


def main(arguments: Sequence[str]) -> int:
    """Ingests what the store lacks and builds what the folder lacks; gives the exit code."""
    parser = pipeline_parser("build", about="Builds the mixture of a recipe.", examples=EXAMPLES)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder or URL of the mixture")
    parser.add_argument("--rows", default="", metavar="URL", help="where workers find the rows")
    parser.add_argument("--shards", type=int, default=0, help="replaces the recipe's")
    parser.add_argument("--format", default="", choices=["", "parquet", "tfrecord", "jsonl"])
    parser.add_argument(
        "--detach",
        action="store_true",
        help="take the rows that are stored, start the job and end; the job finishes the mixture",
    )
    args, beam_options = parser.parse_known_args(arguments)
    recipe = recipe_of(parser, args)
    runner = BeamRunner(args.runner, beam_options, rows=args.rows)
    mixture = load_mixture(find_recipe(recipe), shown_as=recipe, seed=args.seed)

    # The launcher of a Dataflow template may only describe the job.
    detach = args.detach or any(o.startswith("--template_location") for o in beam_options)
    if detach:
        stored, broken = stored_mixture(mixture, store=args.store)
    else:
        stored, broken = ingest_mixture(
            mixture,
            store=args.store,
            mirror=Mirror.load(args.mirror) if args.mirror else Mirror.empty(),
            runner=LocalRunner(workers=available_cores()) if args.rows else runner,
            on_task=tell_task,
        )
    lock = lock_mixture(
        mixture,
        stored=stored,
        broken=broken,
        shards=args.shards,
        format=args.format,
        store=args.store,
    )
    for task, why in {**mixture.broken, **(broken if detach else {})}.items():
        tell(f"left out: {task}: {why}")
    if detach:
        begun = runner.launch(lock, store=args.store, out=args.out)
        tell(f"{mixture.recipe.name}: {'started' if begun else 'is finished'}: {args.out}")
        return 0
    manifest = build_mixture(
        lock, store=args.store, out=args.out, runner=runner, on_shard=_tell_shard
    )
    tell(
        f"{manifest['name']}: {manifest['realised']:,} of {manifest['asked']:,} examples in "
        f"{args.out}; digest {manifest['content_digest']}"
    )
    return LEFT_OUT if manifest["left_out"] else 0


def _tell_shard(result: ShardResult, already: bool) -> None:  # noqa: FBT001
    tell(f"{'was there' if already else 'built'}: {result.file}: {result.rows:,} examples")


if __name__ == "__main__":
    run(main)
