"""Ingest: from a card's source to stored rows.

    planning    what is to be read: a spec for each part of a task that is not stored yet
    part        one part: read files, make rows, spill sorted runs        (any worker)
    task        all parts of a task: drop copies, write rows              (any worker)
    merging     the rows of many runs in one order
    failures    what the store keeps of a task that could not be ingested

Specs and results (`specs`) are small and plain; rows travel through spilled Arrow files. Memory
depends on the size of a run, not of a source.
"""
