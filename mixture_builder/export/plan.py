"""The plan of an export: all that decides its files, known before any is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from mixture_builder.errors import UsageError
from mixture_builder.export.context import (
    DEFAULT_SEPARATOR,
    TRAIN,
    VALIDATION,
    ExportContext,
)
from mixture_builder.export.options import ExportOptions, check_options
from mixture_builder.export.splits import HeldBack
from mixture_builder.export.targets import find_target
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.atomic import sha256_of
from mixture_builder.jobs.finishing import versions
from mixture_builder.jobs.inspect.records import load_manifest

EXPORT_NAME = "export.json"
"""The manifest of an export."""

EXPORT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPlan:
    """All that decides an export; small and picklable, for workers.

    Attributes:
      out: folder or URL of the export.
      target: its name.
      context: for the target.
      held: which rows are held back.
      certify: whether each shard gets a loss-mask certificate.
      asked: what the user chose, as plain data for the manifest.
      fingerprint: equal ones have equal files, for one version of pyarrow.
    """

    out: str
    target: str
    context: ExportContext
    held: HeldBack
    certify: bool
    asked: Mapping[str, Any]
    fingerprint: str

    @property
    def work(self) -> str:
        """Where parts stand until all are there."""
        return f"{self.out}/.work/{self.fingerprint}"

    @property
    def shards(self) -> int:
        """Of the mixture."""
        return len(self.context.manifest["shards"])

    def result_url(self, shard: int) -> str:
        """Where the result of one shard stands."""
        return f"{self.work}/shard-{shard:05d}.json"


def prepare(mixture: str, *, target: str, out: str, options: ExportOptions) -> ExportPlan:
    """Reads the mixture's manifest and checks what the user asked for.

    Raises:
      UsageError: if something that was asked for cannot be, or the folder is in use.
      VerifyError: if there is no finished mixture.
    """
    settings = check_options(target, options)
    chosen = find_target(target)
    manifest = load_manifest(mixture)
    slim = {key: value for key, value in manifest.items() if key not in {"tasks", "left_out"}}
    submixtures = dict.fromkeys(
        task["submixture"] for task in manifest["tasks"].values() if task["realised"]
    )
    context = ExportContext(
        name=str(manifest["name"]),
        mixture=mixture,
        manifest=slim,
        submixtures=tuple(submixtures),
        splits=(TRAIN, VALIDATION) if options.validation else (TRAIN,),
        separator=DEFAULT_SEPARATOR if options.separator is None else options.separator,
        tokenizer=options.tokenizer,
        settings=settings,
    )
    if chosen.check:
        chosen.check(context)
    asked: dict[str, Any] = {
        "validation": str(options.validation),
        "seed": options.seed,
        "settings": settings,
    }
    if options.certify:
        asked["certify"] = True
    if chosen.joins:
        asked["separator"] = context.separator
    if options.tokenizer:
        asked["tokenizer"] = _tokenizer_facts(options.tokenizer)
    return ExportPlan(
        out=out,
        target=target,
        context=context,
        held=HeldBack(share=options.validation, seed=options.seed),
        certify=options.certify,
        asked=asked,
        fingerprint=fingerprint(
            {
                "mixture": [manifest["fingerprint"], manifest["content_digest"]],
                "name": manifest["name"],
                "target": [target, chosen.version],
                "asked": asked,
                "versions": versions(),
            }
        ),
    )


def _tokenizer_facts(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as file:
            return {
                "file": path.replace("\\", "/").rsplit("/", 1)[-1],
                "sha256": sha256_of(file),
                "tokenizers": version("tokenizers"),
            }
    except OSError as problem:
        raise UsageError(
            f"--tokenizer {path}: cannot be read ({problem.strerror or problem}); expected a "
            "tokenizer.json."
        ) from None
