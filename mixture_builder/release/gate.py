"""May a mixture be published? What forbids it, as findings; all of it at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixture_builder.errors import UsageError
from mixture_builder.findings import Finding, Severity, error
from mixture_builder.licences import licences_of
from mixture_builder.manifest import MANIFEST_NAME

AUDIT_FILE = "audit/audit.json"
"""Where the audit of a mixture stands in its folder."""

_NAMED = 5


def check_folder_kind(mixture: str, manifest: Mapping[str, Any]) -> None:
    """Refuses what cannot be released at all.

    Raises:
      UsageError: if the mixture is not in a folder of this machine, or not in Parquet.
    """
    if not Path(mixture).is_dir():
        raise UsageError(
            f"{mixture}: found no folder on this machine; expected one, since files are sent from "
            "here. Copy the mixture here first."
        )
    if manifest["format"] != "parquet":
        raise UsageError(
            f"{mixture}: found a mixture in {manifest['format']}; expected Parquet, which the Hub "
            "shows and `datasets` reads. Build it again with --format parquet: the examples are "
            "the same."
        )


def load_audit(mixture: str, named: Path | None) -> dict[str, Any] | None:
    """Plain data of an audit; `None` if the mixture's folder has none.

    Args:
      mixture: folder of the mixture.
      named: file that the user named, in place of the one in the folder.

    Raises:
      UsageError: if the file cannot be understood.
    """
    path = named or Path(mixture) / AUDIT_FILE
    if named is None and not path.is_file():
        return None
    try:
        audit = json.loads(path.read_bytes())
        findings, _ = audit["findings"], audit["mixture"]["content_digest"]
        if not all(isinstance(f["severity"], str) for f in findings):
            raise ValueError("a finding has no severity")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UsageError(
            f"{path}: cannot be read as an audit ({problem}); expected the JSON that "
            "`mixture-builder audit` writes. Run it again."
        ) from None
    found: dict[str, Any] = audit
    return found


def check_audit(
    mixture: str, manifest: Mapping[str, Any], audit: Mapping[str, Any] | None, *, waived: bool
) -> Iterator[Finding]:
    """What an audit says against a release.

    Args:
      mixture: folder of the mixture.
      manifest: plain data of its manifest.
      audit: plain data; `None` if there is none.
      waived: whether the user does without an audit.
    """
    where = f"{mixture}/{AUDIT_FILE}"
    if audit is None:
        if not waived:
            yield error(
                where,
                "",
                "found no audit of the mixture; expected one without errors.",
                f"Run `mixture-builder audit {mixture} --json {where}`, or do without one with "
                "--without-audit.",
            )
        return
    digest = audit["mixture"]["content_digest"]
    if digest != manifest["content_digest"]:
        yield error(
            where,
            "mixture.content_digest",
            f"found the audit of another mixture ({digest}); expected that of "
            f"{manifest['content_digest']}.",
            "Audit this mixture.",
        )
        return
    for found in audit["findings"]:
        if found["severity"] == Severity.ERROR.value:
            yield error(
                where,
                str(found.get("task") or ""),
                f"{found.get('message', '')} [{found.get('check', '')}]",
                str(found.get("remedy", "")),
            )


def check_licences(
    mixture: str, manifest: Mapping[str, Any], *, allow_unknown: bool
) -> Iterator[Finding]:
    """Tasks of which nobody knows the licence."""
    for use in licences_of(manifest):
        if use.known:
            continue
        named = ", ".join(list(use.tasks)[:_NAMED])
        more = f" and {len(use.tasks) - _NAMED:,} more" if len(use.tasks) > _NAMED else ""
        message = (
            f"the licence of {len(use.tasks):,} tasks ({use.examples:,} examples) is not known: "
            f"{named}{more}."
        )
        place = f"{mixture}/{MANIFEST_NAME}"
        if allow_unknown:
            yield Finding(
                severity=Severity.WARNING, file=place, place="tasks", message=message, remedy=""
            )
        else:
            yield error(
                place,
                "tasks",
                message,
                "Leave them out (`filters` in the recipe), write their licences into the cards, "
                "or publish all the same with --allow-unknown-licences.",
            )
