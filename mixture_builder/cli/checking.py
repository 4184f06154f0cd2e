"""Reading a whole mixture as `verify` does; `release` asks for it before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixture_builder.cli.pooled import run_all, workers_for

if TYPE_CHECKING:
    from mixture_builder.findings import Finding

FEW_BYTES = 50_000_000
"""Mixtures up to this size are read in this process: starting workers would take longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What reading a whole mixture gave.

    Attributes:
      findings: all that is wrong, and notes.
      loaded: bytes of its records as Arrow tables.
    """

    findings: list[Finding]
    loaded: int


def check_all(out: str, manifest: dict[str, Any], *, workers: int | None) -> Checked:
    """Reads every shard of a finished mixture and compares all with its manifest."""
    from mixture_builder.jobs.inspect import verify as checks

    findings = checks.check_folder(out, manifest)
    checked = run_all(
        "verify",
        checks.check_shard,
        [(check.entry["file"], check) for check in checks.shard_checks(out, manifest)],
        workers=workers_for(workers, size=manifest["bytes"], few=FEW_BYTES),
        total=manifest["realised"],
        unit="examples",
        done=lambda shard: shard.rows,
    )
    findings += [finding for shard in checked for finding in shard.findings]
    findings += checks.check_counts(out, manifest, checked)
    findings += checks.check_prefixes(out, manifest, checked)
    return Checked(findings=findings, loaded=sum(shard.loaded for shard in checked))
