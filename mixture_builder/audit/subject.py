"""Finds what is to be audited: the folder of a built mixture, or what a lock would be built to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixture_builder.audit.context import AuditContext
from mixture_builder.errors import VerifyError
from mixture_builder.io.stored_task import find_task
from mixture_builder.jobs.inspect.records import load_lock, load_manifest
from mixture_builder.lock import Lock


def built_mixture(out: str, *, store: Path, tokenizer: str = "") -> AuditContext:
    """A mixture that is built.

    Args:
      out: its folder or URL.
      store: root of the row store; used if it still holds all rows of the mixture.
      tokenizer: path of a `tokenizer.json`, or empty.

    Raises:
      UsageError: if there is no such folder.
      VerifyError: if manifest or lock are missing, damaged, or not of the same mixture.
    """
    manifest = load_manifest(out)
    lock = load_lock(out)
    if lock.fingerprint != manifest.get("fingerprint"):
        raise VerifyError(
            f"{out}: the lock has the fingerprint {lock.fingerprint}, the manifest says "
            f"{manifest.get('fingerprint')}. Run `verify`; build the mixture again."
        )
    return AuditContext(
        lock=lock.to_json(),
        manifest=manifest,
        out=out,
        store=str(store) if _holds_rows(lock, store) else "",
        tokenizer=tokenizer,
    )


def planned_mixture(lock: Lock, *, store: Path, tokenizer: str = "") -> AuditContext:
    """A mixture that is rendered for the audit, and written nowhere.

    Args:
      lock: of the mixture.
      store: root of the row store, with its rows.
      tokenizer: path of a `tokenizer.json`, or empty.
    """
    facts: Mapping[str, Any] = lock.cards.get("tasks", {})
    return AuditContext(
        lock=lock.to_json(),
        manifest={
            "name": lock.plan.name,
            "fingerprint": lock.fingerprint,
            "format": lock.format,
            "tasks": {
                t.task: {
                    "submixture": t.submixture,
                    **({"card": facts[t.task]} if t.task in facts else {}),
                }
                for t in lock.plan.tasks
            },
            "citations": lock.cards.get("citations", {}),
        },
        store=str(store),
        tokenizer=tokenizer,
    )


def _holds_rows(lock: Lock, store: Path) -> bool:
    for task, locked in lock.tasks.items():
        found = find_task(store, task, locked.stored)
        if found is None or found.digest != locked.digest:
            return False
    return True
