"""Is a finished mixture what its manifest says, and does its lock still give the same bytes?

Three questions, each a function: do manifest and lock agree with themselves and with the
folder; is each shard what the manifest says; does a shard built anew come out the same.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec

from mixture_builder.certificate import TASK_BOUND, prefix_deviation
from mixture_builder.errors import MixtureBuilderError, UsageError, VerifyError
from mixture_builder.findings import Finding, Severity, error
from mixture_builder.io.digest import ContentDigest, mixture_digest
from mixture_builder.io.stored_task import stored_tasks
from mixture_builder.io.verify import ExpectedFile, verify_file
from mixture_builder.jobs.build import build_shard, check_store
from mixture_builder.jobs.finishing import versions
from mixture_builder.jobs.inspect.records import load_lock, read_batches
from mixture_builder.lock import Lock
from mixture_builder.manifest import LOCK_NAME, MANIFEST_NAME

Manifest = Mapping[str, Any]

_AGAIN = "Build the mixture again."


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardCheck:
    """What is to be checked of one shard; small and picklable, for workers."""

    out: str
    format: str
    entry: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedShard:
    """What reading one shard gave.

    Attributes:
      counts: records by task and variant; empty if the shard is damaged.
      loaded: bytes of its records as Arrow tables; 0 if the shard is damaged.
    """

    file: str
    rows: int
    findings: tuple[Finding, ...]
    counts: Mapping[tuple[str, str], int]
    loaded: int = 0


def shard_checks(out: str, manifest: Manifest) -> list[ShardCheck]:
    """One check a shard."""
    return [
        ShardCheck(out=out, format=manifest["format"], entry=entry) for entry in manifest["shards"]
    ]


def check_shard(check: ShardCheck) -> CheckedShard:
    """Bytes and content of one shard; damage becomes a finding, never an exception."""
    entry, url = check.entry, f"{check.out}/{check.entry['file']}"
    expected = ExpectedFile(
        rows=entry["rows"],
        bytes=entry["bytes"],
        sha256=entry["sha256"],
        content_digest=entry["content_digest"],
    )
    form: Any = check.format
    findings = verify_file(url, form, expected)
    counts: Counter[tuple[str, str]] = Counter()
    loaded = 0
    if not findings:
        digest = ContentDigest()
        try:
            for batch in read_batches(url, format=check.format):
                digest.update(batch)
                loaded += batch.nbytes
                tasks, variants = batch.column("task_id"), batch.column("variant")
                counts.update(zip(tasks.to_pylist(), variants.to_pylist(), strict=True))
        except (MixtureBuilderError, OSError, ValueError) as problem:
            findings = [error(url, "content", f"the content cannot be read: {problem}", "")]
            counts.clear()
            loaded = 0
        else:
            if (digest.hexdigest(), digest.rows) != (entry["content_digest"], entry["rows"]):
                findings = [
                    error(
                        url,
                        "content",
                        f"found {digest.rows:,} rows with digest {digest.hexdigest()}; the "
                        f"manifest says {entry['rows']:,} with {entry['content_digest']}, though "
                        "the bytes are right.",
                        f"The manifest was changed. {_AGAIN}",
                    )
                ]
    return CheckedShard(
        file=entry["file"],
        rows=entry["rows"],
        findings=tuple(findings),
        counts=counts,
        loaded=loaded,
    )


def check_folder(out: str, manifest: Manifest) -> list[Finding]:
    """Whether manifest, lock and the names of files agree; shards are not read."""
    return [
        *_check_sums(out, manifest),
        *_check_quotas(out, manifest),
        *_note_exemplars(out, manifest),
        *_check_lock(out, manifest),
        *_check_names(out, manifest),
    ]


def _check_sums(out: str, manifest: Manifest) -> Iterator[Finding]:
    path, shards = f"{out}/{MANIFEST_NAME}", manifest["shards"]
    for key, listed in (("realised", "rows"), ("bytes", "bytes")):
        total = sum(s[listed] for s in shards)
        if total != manifest[key]:
            yield error(
                path,
                key,
                f"found {manifest[key]:,}; the shards come to {total:,}.",
                f"The manifest was changed. {_AGAIN}",
            )
    digest = mixture_digest([s["content_digest"] for s in shards])
    if digest != manifest["content_digest"]:
        yield error(
            path,
            "content_digest",
            f"found {manifest['content_digest']}; the shards' digests come to {digest}.",
            f"The manifest was changed. {_AGAIN}",
        )


def _check_quotas(out: str, manifest: Manifest) -> Iterator[Finding]:
    """Asked against realised: what is missing must be counted as dropped."""
    path, tasks = f"{out}/{MANIFEST_NAME}", manifest["tasks"]
    for task, counted in tasks.items():
        dropped = sum(counted["dropped"].values())
        if counted["realised"] + dropped != counted["quota"]:
            yield error(
                path,
                f"tasks.{task}",
                f"found {counted['realised']:,} realised and {dropped:,} dropped; expected them to "
                f"come to the quota of {counted['quota']:,}.",
                _AGAIN,
            )
        elif dropped:
            reasons = ", ".join(f"{n:,} {why}" for why, n in sorted(counted["dropped"].items()))
            yield Finding(
                severity=Severity.NOTE,
                file=path,
                place=f"tasks.{task}",
                message=f"{counted['realised']:,} of {counted['quota']:,} were realised; dropped: "
                f"{reasons}.",
                remedy="quarantine/dropped_draws.jsonl names them.",
            )
    asked = sum(counted["quota"] for counted in tasks.values())
    realised = sum(counted["realised"] for counted in tasks.values())
    for key, total in (("asked", asked), ("realised", realised)):
        if total != manifest[key]:
            yield error(path, key, f"found {manifest[key]:,}; the tasks come to {total:,}.", _AGAIN)


def _note_exemplars(out: str, manifest: Manifest) -> Iterator[Finding]:
    """Says how many prompts show fewer exemplars than they ask for."""
    found = {
        t: counted["fewer_exemplars"]
        for t, counted in manifest["tasks"].items()
        if "fewer_exemplars" in counted
    }
    if not found:
        return
    prompts, exemplars = (sum(f[key] for f in found.values()) for key in ("prompts", "exemplars"))
    most = max(found, key=lambda task: (found[task]["prompts"], task))
    plural = "s" if len(found) > 1 else ""
    yield Finding(
        severity=Severity.NOTE,
        file=f"{out}/{MANIFEST_NAME}",
        place="tasks",
        message=f"{prompts:,} few-shot prompts of {len(found):,} task{plural} show fewer exemplars "
        f"than they ask for, {exemplars:,} in all; most of them of {most} "
        f"({found[most]['prompts']:,}).",
        remedy="Prompts that are too long lose exemplars, and small tasks have few rows to show; "
        "tasks.<task>.fewer_exemplars counts them.",
    )


def _check_lock(out: str, manifest: Manifest) -> Iterator[Finding]:
    try:
        lock = load_lock(out)
    except VerifyError as problem:
        yield error(f"{out}/{LOCK_NAME}", "", str(problem).removeprefix(f"{out}/{LOCK_NAME}: "))
        return
    if lock.fingerprint != manifest["fingerprint"]:
        yield error(
            f"{out}/{LOCK_NAME}",
            "",
            f"found a lock with fingerprint {lock.fingerprint}; the manifest names "
            f"{manifest['fingerprint']}.",
            f"One of them was changed. {_AGAIN}",
        )


def _check_names(out: str, manifest: Manifest) -> Iterator[Finding]:
    files, root = fsspec.core.url_to_fs(out)
    expected = {entry["file"] for entry in manifest["shards"]}
    if not files.isdir(f"{root}/data"):
        return
    for path in sorted(files.find(f"{root}/data")):
        name = str(path).removeprefix(f"{root}/")
        if name not in expected:
            yield error(
                f"{out}/{name}",
                "",
                "found a file that the manifest does not name; whoever reads data/* reads it too.",
                "Delete it.",
            )


def check_counts(out: str, manifest: Manifest, checked: Iterable[CheckedShard]) -> list[Finding]:
    """Records by task and variant, as counted in the shards, against the manifest.

    Says nothing when a shard is damaged: its records cannot be counted.
    """
    shards = list(checked)
    if any(f.severity is Severity.ERROR for shard in shards for f in shard.findings):
        return []
    found: Counter[tuple[str, str]] = Counter()
    for shard in shards:
        found.update(shard.counts)
    expected: Counter[tuple[str, str]] = Counter()
    for task, counted in manifest["tasks"].items():
        for cell, numbers in counted["variants"].items():
            if numbers["realised"]:
                expected[task, cell.split(":")[0]] += numbers["realised"]
    return [
        error(
            f"{out}/{MANIFEST_NAME}",
            f"tasks.{task}.variants.{variant}",
            f"found {found[task, variant]:,} records in the shards; the manifest says "
            f"{expected[task, variant]:,}.",
            _AGAIN,
        )
        for task, variant in sorted(found.keys() | expected.keys())
        if found[task, variant] != expected[task, variant]
    ]


def check_prefixes(out: str, manifest: Manifest, checked: Iterable[CheckedShard]) -> list[Finding]:
    """Whether every prefix of the shards has each task at its rate, and as the certificate says.

    Says nothing when a shard is damaged, or the manifest is older than certificates.
    """
    # Workers finish in any order; names of files are in that of the shards.
    shards = sorted(checked, key=lambda shard: shard.file)
    certificate = manifest.get("certificate")
    if certificate is None or any(f.severity is Severity.ERROR for s in shards for f in s.findings):
        return []
    tasks = manifest["tasks"]
    # Where draws came to nothing is not written down: such tasks are left to their quotas.
    whole = {t: facts["quota"] for t, facts in tasks.items() if not facts["dropped"]}
    if "prefix" in manifest:
        # The rates are those of the whole mixture, of which these are the first shards.
        try:
            planned = {task.task: task.quota for task in load_lock(out).plan.tasks}
        except VerifyError:
            return []  # Said by `check_folder`.
        whole = {t: planned[t] for t in whole if t in planned}
    counted: list[Counter[str]] = []
    for shard in shards:
        counts: Counter[str] = Counter()
        for (task, _), number in shard.counts.items():
            if task in whole:
                counts[task] += number
        counted.append(counts)
    found = prefix_deviation(whole, counted, shards=certificate["shards"])
    path = f"{out}/{MANIFEST_NAME}"
    if found.draws >= TASK_BOUND + Fraction(max(whole.values(), default=0), 1 << 39):
        return [
            error(
                path,
                f"tasks.{found.name}",
                f"the first {found.shards} shards are {float(found.draws):,.2f} draws from its "
                f"due; expected less than {TASK_BOUND}.",
                _AGAIN,
            )
        ]
    stated = certificate["prefixes"]["tasks"]
    if len(whole) == len(tasks) and stated["largest"] != str(found.draws):
        return [
            error(
                path,
                "certificate.prefixes.tasks.largest",
                f"found {stated['largest']}; the shards come to {found.draws}.",
                f"The manifest was changed. {_AGAIN}",
            )
        ]
    return []


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuilt:
    """What building one shard anew gave.

    Attributes:
      same: whether it came out the same.
      compared: `bytes`, or `content` where pyarrow is another than the manifest's.
      findings: what differs.
    """

    shard: int
    file: str
    same: bool
    compared: str
    findings: tuple[Finding, ...]


def rebuild_shard(out: str, manifest: Manifest, *, store: Path, shard: int) -> Rebuilt:
    """Builds one shard alone into a temporary folder and compares it.

    Raises:
      UsageError: if the mixture has no such shard.
      VerifyError: if the lock cannot be read.
      StoreError: if the store does not hold the rows that the lock was made for.
    """
    entries = manifest["shards"]
    if not 0 <= shard < len(entries):
        raise UsageError(f"--rebuild {shard}: expected a shard from 0 to {len(entries) - 1}.")
    lock: Lock = load_lock(out)
    check_store(lock, stored_tasks(lock, store=store))
    with tempfile.TemporaryDirectory(prefix="mixture-builder-") as folder:
        again = build_shard(lock, store=store, out=folder, shard=shard)
    entry = entries[shard]
    theirs, ours = manifest["versions"].get("pyarrow"), versions()["pyarrow"]
    # Bytes of Parquet differ between versions of pyarrow; records may not.
    by_content = manifest["format"] == "parquet" and theirs != ours
    keys = (
        ("content_digest", "rows") if by_content else ("sha256", "bytes", "content_digest", "rows")
    )
    found = again.to_json()
    findings = [
        error(
            f"{out}/{entry['file']}",
            key,
            f"built anew it is {found[key]}; the manifest says {entry[key]}.",
            "Lock, templates in it or code are not those that built it.",
        )
        for key in keys
        if found[key] != entry[key]
    ]
    if by_content:
        findings.append(
            Finding(
                severity=Severity.NOTE,
                file=f"{out}/{entry['file']}",
                place="",
                message=f"it was written with pyarrow {theirs}, here is {ours}: bytes may differ, "
                "so contents were compared.",
            )
        )
    same = not any(f.severity is Severity.ERROR for f in findings)
    return Rebuilt(
        shard=shard,
        file=entry["file"],
        same=same,
        compared="content" if by_content else "bytes",
        findings=tuple(findings),
    )
