"""Runnable compositions of the package on Apache Beam, and the recipes.

    python -m pipelines.ingest RECIPE            sources to stored rows
    python -m pipelines.build RECIPE --out DIR   stored rows to a mixture

`mixture-builder ingest` and `mixture-builder build` do the same and need no Beam.
"""
