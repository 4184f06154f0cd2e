"""What was found out about files before: each is read and checked once, then known by its content.

To parse and check the cards and templates of a recipe with thousands of tasks takes seconds, and
every command would spend them anew. So what came out stands in the user's cache folder, named by
a hash of the file's bytes and of the code that read it. Only what was found sound is kept: a
mistake is reported each time. Nothing is lost with the folder; `MIXTURE_BUILDER_KNOWN=off`
does without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

SWITCH = "MIXTURE_BUILDER_KNOWN"
"""Environment variable: `off` to read and check each file each time."""

_PACKAGE = Path(__file__).resolve().parent

_READ_BY = ("*.py", "schemas/*.json", "render/programs.py")
"""The code that decides what is found out."""

_PARSERS = ("jinja2", "yaml")
"""Libraries that do as well; their first file names their version."""


def cache_folder() -> Path:
    """The package's folder under the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mixture-builder"


def content_of(path: Path) -> bytes | None:
    """The bytes of a file that is to be known by them; `None` if it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError):  # the latter for a name that holds NUL
        return None


def recall(kind: str, *content: bytes) -> Any | None:
    """What `remember` was given for the same content, or `None`.

    Args:
      kind: what was found out.
      content: all that it follows from, in bytes.
    """
    if os.environ.get(SWITCH) == "off":
        return None
    # Whatever is wrong with the folder: the file itself is still there to be read.
    try:
        return json.loads(_entry(kind, content).read_bytes())
    except (OSError, ValueError):
        return None


def remember(kind: str, *content: bytes, found: Any) -> None:
    """Keeps data for `recall`; what is not plain, or cannot be kept, is found out again."""
    if os.environ.get(SWITCH) == "off":
        return
    with suppress(OSError, TypeError, ValueError):
        plain = json.dumps(found, ensure_ascii=True)
        # JSON makes texts of keys that are numbers.
        if json.loads(plain) != found:
            return
        entry = _entry(kind, content)
        if not entry.parent.is_dir():
            _forget_other_versions(entry.parent.parent)
            entry.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may find out the same; each puts a whole file in its place.
        unfinished = entry.with_name(f"{entry.name}.{uuid4().hex}")
        unfinished.write_bytes(plain.encode())
        unfinished.replace(entry)


def _entry(kind: str, content: tuple[bytes, ...]) -> Path:
    digest = hashlib.blake2b(digest_size=16)
    for part in (kind.encode(), *content):
        digest.update(len(part).to_bytes(8, "little") + part)
    return cache_folder() / "known" / _code() / f"{digest.hexdigest()}.json"


def _forget_other_versions(folder: Path) -> None:
    for other in folder.glob("*"):
        shutil.rmtree(other, ignore_errors=True)


@lru_cache(maxsize=1)
def _code() -> str:
    """Another one whenever a file might be understood otherwise."""
    files = sorted(path for glob in _READ_BY for path in _PACKAGE.glob(glob))
    files += [Path(spec.origin) for name in _PARSERS if (spec := find_spec(name)) and spec.origin]
    digest = hashlib.blake2b(sys.version.encode(), digest_size=8)
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
