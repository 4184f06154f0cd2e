"""The work itself, as plain functions on small picklable specs.

`ingest` makes stored rows of sources, `build.py` makes shards of a plan. Drivers decide
where the functions run: `mixture_builder.drivers` on this machine, `mixture_builder.transforms`
on Apache Beam.
"""

WARM_VARIABLE = "MIXTURE_BUILDER_WARM"
"""Environment variable in which a driver tells `preload` what workers should find parsed."""
