"""The command line: one command a file, each a thin layer over plain functions.

    main.py       the entry: finds commands, turns errors into texts and exit codes
    options.py    options that several commands share
    output.py     tables, numbers, JSON
    progress.py   bars on a terminal, JSON lines for a log
    pooled.py     work for a pool of workers
    steps.py      load and ingest as several commands do them
    building.py   build as several commands do it

Modules of commands import heavy libraries when a command runs, so `--help` stays quick.
"""
