"""Asking local files, and clouds through fsspec."""

from __future__ import annotations

import glob
import os

from mixture_builder.io.asking.answers import HEAD_BYTES, Answer


def ask_file(location: str) -> Answer:
    """What stands at a local path; of a `*` or a folder of data, the first file that fits."""
    try:
        if "*" in location:
            pattern = glob.escape(location).replace("[*]", "*")
            found = next((p for p in glob.iglob(pattern, recursive=True) if os.path.isfile(p)), "")
        elif os.path.isdir(location):
            found = _data_file(location)
        else:
            found = location
        if not found:
            return Answer(reason="not_found", detail="found no file")
        with open(found, "rb") as file:
            return Answer(head=file.read(HEAD_BYTES))
    except FileNotFoundError:
        return Answer(reason="not_found", detail="found no file")
    except PermissionError as problem:
        return Answer(reason="forbidden", detail=problem.strerror or str(problem))
    except OSError as problem:
        return Answer(reason="error", detail=problem.strerror or str(problem))


def _data_file(folder: str) -> str:
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            if name.endswith(".parquet") or ".jsonl" in name:
                return os.path.join(parent, name)
    return ""


def ask_cloud(location: str) -> Answer:
    """What stands at an address that fsspec opens; of a `*`, the first file that fits."""
    from fsspec.core import url_to_fs

    try:
        file_system, path = url_to_fs(location)
        if "*" in path:
            listed = sorted(file_system.glob(path))
            if not listed:
                return Answer(reason="not_found", detail="found no file that fits the '*'")
            path = listed[0]
        with file_system.open(path, "rb") as file:
            return Answer(head=file.read(HEAD_BYTES))
    except ImportError as problem:
        return Answer(reason="package", detail=str(problem)[:200])
    except FileNotFoundError:
        return Answer(reason="not_found", detail="found no file")
    except PermissionError as problem:
        return Answer(reason="forbidden", detail=str(problem)[:200])
    except Exception as problem:  # noqa: BLE001  (every file system raises errors of its own)
        return Answer(reason="error", detail=f"{type(problem).__name__}: {problem}"[:200])
