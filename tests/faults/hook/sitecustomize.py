"""Fails or ends a Python process at its n-th operation on files, for the tests of faults.

Python imports a module of this name when it starts, workers' processes included, so a command
is run with this folder on PYTHONPATH and with a plan, as JSON, in MIXTURE_BUILDER_FAULT:

    at        at which operation, counted over all processes of the command; 0 only counts
    folders   only operations on files below these count
    counter   a file that grows by a byte with each operation
    action    "process": SIGKILL for the process that comes to it; "group": for all of them;
              or the name of an error that the operation fails with ("ENOSPC", "EIO")

Operations are seen by an audit hook: opening, renaming and removing files, making and removing
folders. Nothing of the package is replaced.
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import signal
import sys
from typing import Any

EVENTS = frozenset(["open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"])


def _install(plan: dict[str, Any]) -> None:
    counter = os.open(plan["counter"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    folders = tuple(plan["folders"])
    at, action = int(plan["at"]), plan["action"]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not arguments:
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str) or not path.startswith(folders):
            return
        os.write(counter, b"x")
        if not at or os.fstat(counter).st_size != at:
            return
        if action == "group":
            os.killpg(0, signal.SIGKILL)
        elif action == "process":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            number = getattr(errno, action)
            raise OSError(number, os.strerror(number), path)

    sys.addaudithook(hook)


_plan = os.environ.get("MIXTURE_BUILDER_FAULT")
if _plan:
    # A command that hangs is asked where it stands.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    _install(json.loads(_plan))
