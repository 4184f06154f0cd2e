"""Parquet for Hugging Face `datasets`: the whole mixture, and a config for each submixture.

The columns are those of the mixture. The config `default` is the mixture in its own order, so
that the first files of it are a smaller mixture; a submixture's config holds its examples once
more, since configs choose files, not rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.export.context import ExportContext
from mixture_builder.export.hub import dataset_readme
from mixture_builder.export.parts import Parts, Placed
from mixture_builder.export.tables import add_parquet
from mixture_builder.export.targets import Target, choice

_WHOLE = "default"

_USE = """\
```python
from datasets import load_dataset

data = load_dataset("FOLDER")  # or load_dataset("FOLDER", "<submixture>")
```

`inputs` is what a model reads, `targets` what it is to write."""


def write(examples: pa.Table, _split: str, context: ExportContext, parts: Parts) -> None:
    """The shard as it is and, if there are several submixtures, each of them alone."""
    if not only_parts(context):
        add_parquet(parts, _WHOLE, examples, content_defined_chunking=True)
    if not _configs(context):
        return
    for submixture in context.submixtures:
        chosen = examples.filter(pc.equal(examples.column("submixture"), submixture))
        add_parquet(parts, config_name(submixture), chosen, content_defined_chunking=True)


def _configs(context: ExportContext) -> bool:
    return only_parts(context) or (
        context.settings["configs"] == "submixtures" and len(context.submixtures) > 1
    )


def only_parts(context: ExportContext) -> bool:
    """Whether the whole mixture is left out, since its own files stand beside the export."""
    return context.settings["configs"] == "parts"


def config_name(submixture: str) -> str:
    """The config of a submixture; one called `default` gets another name."""
    return f"{submixture}-submixture" if submixture == _WHOLE else submixture


def layout(series: str, split: str, context: ExportContext) -> str:
    """`data/` for the whole mixture, a folder below `submixtures/` for each part."""
    folder = "data" if series == _WHOLE else f"submixtures/{series}"
    if only_parts(context):
        folder = series
    return f"{folder}/{split}-{{index:05d}}-of-{{count:05d}}.parquet"


def finish(context: ExportContext, placed: Placed) -> None:
    """The README whose head names the configs."""
    placed.add_text("README.md", dataset_readme(context, placed, default=_WHOLE, use=_USE))


TARGET = Target(
    name="hf",
    about="Hugging Face datasets: Parquet with the config default and one for each submixture",
    version=1,
    write=write,
    layout=layout,
    finish=finish,
    settings={
        "configs": choice(
            "submixtures",
            "default",
            "parts",
            default="submixtures",
            about="`submixtures`: also write each submixture as a config of its own, which takes "
            "the room twice; `default`: the whole mixture only; `parts`: the submixtures only",
        )
    },
)
