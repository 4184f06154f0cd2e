"""All of Beam: thin transforms over the plain functions of `jobs`, and the runner that runs them.

    Ingest          parts of sources to stored tasks
    Build           numbers of shards to shards
    BuildWhole      numbers of shards to a finished mixture
    BeamRunner      both, wherever Beam runs, with results as they come

The wiring is `Create -> ParDo -> GroupByKey -> ParDo` throughout, which every runner does
right. Elements are few and small (a part, a task, a shard); rows and texts travel through files.
"""

from mixture_builder.transforms.build import Build
from mixture_builder.transforms.ingest import Ingest
from mixture_builder.transforms.runner import BeamRunner
from mixture_builder.transforms.whole import BuildWhole

__all__ = ["BeamRunner", "Build", "BuildWhole", "Ingest"]
