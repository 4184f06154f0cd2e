"""The steps of an export: prepare it, write the parts of one shard, finish it.

Nothing stands under a final name before all parts are written, and the export's manifest,
`export.json`, is written last: a folder that holds it is complete. Parts that an interrupted
export has finished are kept and found by their fingerprint.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import fsspec
import pyarrow as pa

from mixture_builder.errors import BuildError, UsageError
from mixture_builder.export.certify import Certificate, certify
from mixture_builder.export.context import (
    DEFAULT_SEPARATOR,
    TRAIN,
    VALIDATION,
    ExportContext,
)
from mixture_builder.export.parts import Part, Parts
from mixture_builder.export.reading import read_shard
from mixture_builder.export.splits import HeldBack, split_examples
from mixture_builder.export.targets import Target, check_packages, find_target, require
from mixture_builder.findings import did_you_mean
from mixture_builder.fingerprint import fingerprint
from mixture_builder.io.atomic import atomic_output, sha256_of
from mixture_builder.io.tokenizer import load_tokenizer
from mixture_builder.jobs.build import versions
from mixture_builder.jobs.inspect.records import load_manifest

EXPORT_NAME = "export.json"
EXPORT_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """What the user chose.

    Attributes:
      validation: share of the rows that is held back.
      seed: of the held-back rows.
      separator: `None` for the default.
      tokenizer: path of a `tokenizer.json`, or empty.
      certify: whether every example is looked at for the loss-mask certificate.
      settings: the target's own.
    """

    validation: Fraction = Fraction(0)
    seed: int = 0
    separator: str | None = None
    tokenizer: str = ""
    certify: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardExport:
    """What exporting one shard gave.

    Attributes:
      rows: examples in the shard.
      parts: the files that the target wrote.
      tasks: examples by task and split; `left_out` counts as a split.
      certificate: of the shard, if one was asked for.
    """

    shard: int
    rows: int
    parts: Sequence[Part]
    tasks: Mapping[str, Mapping[str, int]]
    certificate: Certificate | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = asdict(self)
        plain["certificate"] = self.certificate and self.certificate.to_json()
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ShardExport:
        """The result that `to_json` described.

        Raises:
          TypeError, KeyError: if it is another kind of data.
        """
        known = plain["certificate"]
        return cls(
            **{
                **plain,
                "parts": [Part(**part) for part in plain["parts"]],
                "certificate": known and Certificate.from_json(known),
            }
        )


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


def check_options(target: str, options: ExportOptions) -> dict[str, str]:
    """Sees to it that a target can do what the user asked for; gives all of its settings.

    Raises:
      UsageError: naming everything that is wrong, or a package that is missing.
    """
    chosen = find_target(target)
    settings = _settings(chosen, options)
    check_packages(chosen)
    if options.tokenizer:
        require({"tokenizers": "tokenizers"}, wanted_by="--tokenizer")
    return settings


def _settings(target: Target, options: ExportOptions) -> dict[str, str]:
    problems = []
    known = target.settings
    for name, value in options.settings.items():
        if name not in known:
            hint = did_you_mean(name, known) or (
                f"Expected one of {', '.join(known)}." if known else "It has none."
            )
            problems.append(f"--set {name}: '{target.name}' has no such setting. {hint}")
        elif (check := known[name].check) and (wrong := check(value)):
            problems.append(f"--set {name}={value}: {wrong}")
    settings = {}
    for name, setting in known.items():
        if name in options.settings:
            settings[name] = options.settings[name]
        elif setting.default is not None:
            settings[name] = setting.default
        else:
            problems.append(
                f"--for {target.name}: '{name}' must be given: {setting.about}. "
                f"Add --set {name}=..."
            )
    if target.tokenizer and not options.tokenizer:
        problems.append(
            f"--for {target.name}: writes token ids and needs a tokenizer. Add --tokenizer FILE, "
            "the tokenizer.json of the model."
        )
    if options.certify and not target.joins:
        problems.append(
            f"--certify: '{target.name}' does not join prompt and target, the chat template of the "
            "model does. Use `mixture-builder certify` to look at the texts themselves."
        )
    if options.certify and not options.tokenizer:
        problems.append("--certify: needs a tokenizer. Add --tokenizer FILE.")
    takes_one = target.tokenizer or target.may_tokenize or options.certify
    if options.tokenizer and not takes_one:
        problems.append(f"--tokenizer: '{target.name}' writes texts, not token ids. Leave it out.")
    if options.separator is not None and not target.joins:
        problems.append(
            f"--separator: '{target.name}' keeps prompt and target apart, so nothing stands "
            "between them. Leave it out."
        )
    if problems:
        raise UsageError("\n".join(problems))
    return settings


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


def finished_export(plan: ExportPlan) -> dict[str, Any] | None:
    """Plain data of the manifest if the folder holds this very export, whole.

    Raises:
      UsageError: if the folder holds something else.
    """
    files, root = fsspec.core.url_to_fs(plan.out)
    if not files.exists(root):
        return None
    try:
        manifest = json.loads(files.cat_file(f"{root}/{EXPORT_NAME}"))
    except FileNotFoundError:
        others = [
            name
            for path in files.ls(root, detail=False)
            if (name := str(path).rstrip("/").rsplit("/", 1)[-1]) != ".work"
        ]
        # What stands there while our own work folder does, an interrupted export has left.
        if others and not files.exists(f"{root}/.work/{plan.fingerprint}"):
            raise UsageError(
                f"--out {plan.out}: found a folder that holds something else ({min(others)}); "
                "expected an empty or new one. Choose another --out, or delete the folder."
            ) from None
        return None
    except ValueError:
        raise UsageError(
            f"{plan.out}/{EXPORT_NAME}: found no readable manifest. Delete the folder and run the "
            "same command again."
        ) from None
    found = manifest.get("fingerprint") if isinstance(manifest, dict) else None
    if found != plan.fingerprint:
        raise UsageError(
            f"--out {plan.out}: found another finished export (fingerprint {found}); this one has "
            f"{plan.fingerprint}. Choose another --out, or delete the folder."
        )
    for entry in manifest["files"]:
        path = f"{root}/{entry['file']}"
        if not files.exists(path) or files.size(path) != entry["bytes"]:
            raise UsageError(
                f"{plan.out}/{entry['file']}: the file is missing or of another size than "
                f"{EXPORT_NAME} says. Delete the folder and run the same command again."
            )
    whole: dict[str, Any] = manifest
    return whole


def finished_shards(plan: ExportPlan) -> dict[int, ShardExport]:
    """Shards that an interrupted export has finished, whose parts are unchanged."""
    files, _ = fsspec.core.url_to_fs(plan.work)
    done = {}
    for shard in range(plan.shards):
        try:
            result = ShardExport.from_json(
                json.loads(files.cat_file(_path(plan.result_url(shard))))
            )
            whole = all(_sha256(f"{plan.work}/{p.file}") == p.sha256 for p in result.parts)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            continue
        if whole:
            done[shard] = result
    return done


def _path(url: str) -> str:
    return str(fsspec.core.url_to_fs(url)[1])


def _sha256(url: str) -> str:
    with fsspec.open(url, "rb") as stream:
        return sha256_of(stream)


def export_shard(argument: tuple[ExportPlan, int]) -> ShardExport:
    """Writes the parts of one shard and leaves its result in the work folder.

    Raises:
      VerifyError: if the shard is not what the mixture's manifest says.
      BuildError: if the storage refuses.
    """
    plan, shard = argument
    examples = read_shard(plan.context.mixture, plan.context.manifest, shard=shard)
    divided = split_examples(examples, plan.held)
    target = find_target(plan.target)
    written: list[Part] = []
    tasks: dict[str, Counter[str]] = {}
    for split, table in divided.tables.items():
        parts = Parts(work=plan.work, shard=shard, split=split)
        target.write(table, split, plan.context, parts)
        written += parts.written
        _count(tasks, table, split)
    _count(tasks, divided.left_out, "left_out")
    result = ShardExport(
        shard=shard,
        rows=examples.num_rows,
        parts=written,
        tasks={task: dict(counts) for task, counts in sorted(tasks.items())},
        certificate=_certificate(plan, examples, shard) if plan.certify else None,
    )
    with atomic_output(plan.result_url(shard), durable=False) as output:
        output.write(json.dumps(result.to_json(), ensure_ascii=False).encode())
    return result


def _certificate(plan: ExportPlan, examples: pa.Table, shard: int) -> Certificate:
    return certify(
        examples,
        load_tokenizer(plan.context.tokenizer),
        separator=plan.context.separator,
        file=plan.context.manifest["shards"][shard]["file"],
    )


def _count(tasks: dict[str, Counter[str]], table: pa.Table, split: str) -> None:
    for entry in table.column("task_id").value_counts().to_pylist():
        tasks.setdefault(entry["values"], Counter())[split] += entry["counts"]


def check_complete(plan: ExportPlan, results: Sequence[ShardExport]) -> list[ShardExport]:
    """The results in order.

    Raises:
      BuildError: if a shard is missing.
    """
    ordered = sorted(results, key=lambda r: r.shard)
    if [r.shard for r in ordered] != list(range(plan.shards)):
        raise BuildError(
            f"{plan.out}: {plan.shards - len(ordered)} of {plan.shards} shards were not exported. "
            "Run the same command again; finished shards are kept."
        )
    return ordered
