"""Imports template files of promptsource: reads them, writes ours, compares the two."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixture_builder.errors import InvalidFilesError, SourceError, UsageError
from mixture_builder.findings import Finding, Severity, did_you_mean, error
from mixture_builder.imports.parity import Parity, compare
from mixture_builder.imports.promptsource_files import UpstreamSet, read_promptsource
from mixture_builder.imports.template_files import (
    ImportedSet,
    card_stub,
    import_set,
    not_compiled,
    template_file,
)
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.small_files import fetch
from mixture_builder.yaml_files import MAX_BYTES

MAX_RECORDS = 1_000
"""Most records that are compared: each is rendered by every template, twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """One imported file.

    Attributes:
      file: what was written; empty where no template could be imported.
      card: the card stub that was written; empty where none was asked for.
      parity: how it compares; `None` where that was not asked for.
    """

    result: ImportedSet
    file: str
    card: str
    parity: Parity | None

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        upstream = self.result.upstream
        plain: dict[str, Any] = {
            "dataset": upstream.name,
            "source": upstream.file,
            "name": self.result.name,
            "file": self.file,
            "card": self.card,
            "templates": [t.id for t in self.result.templates],
            "not_compiled": not_compiled(self.result),
            "left_out": [{"name": name, "reason": why} for name, why in self.result.left_out],
            "fields": dict(self.result.fields),
        }
        if self.parity is not None:
            plain["parity"] = {
                "equal": self.parity.pairs,
                "neither": self.parity.neither,
                "different": [
                    {"template": d.template, "record": d.record, "theirs": d.theirs, "ours": d.ours}
                    for d in self.parity.differences
                ],
            }
        return plain

    def findings(self) -> Iterator[Finding]:
        """What could not be imported, and what is not the same."""
        for name, reason in self.result.left_out:
            yield Finding(
                severity=Severity.WARNING,
                file=self.result.upstream.file,
                place=name,
                message=f"is left out: {reason}.",
            )
        seen = set()
        for d in self.parity.differences if self.parity else ():
            if d.template not in seen:
                seen.add(d.template)
                yield error(
                    self.result.upstream.file,
                    d.template,
                    f"record {d.record}: promptsource gives {_shown(d.theirs)}; "
                    f"ours gives {_shown(d.ours)}.",
                )


def _shown(pair: tuple[str, str] | str) -> str:
    if isinstance(pair, str):
        return pair
    texts = (text if len(text) <= 60 else text[:57] + "..." for text in pair)
    return " -> ".join(map(repr, texts))


def import_promptsource(
    source: str,
    *,
    out: Path,
    cards: Path | None = None,
    dataset: str = "",
    licence: str,
    records: Path | None = None,
    force: bool = False,
) -> list[Imported]:
    """Imports a file, or all `templates.yaml` of a folder.

    Args:
      source: a path, or an address of one file.
      out: folder of templates; files are written to `promptsource/` in it.
      cards: folder of cards, if stubs are wanted.
      dataset: only this dataset, or `dataset/subset`.
      licence: of the collection, as the files shall say it.
      records: JSON Lines in the dataset's shape, to compare the rendered texts.
      force: whether files that are there and differ may be replaced.

    Raises:
      UsageError: for arguments that do not fit what is there.
      SourceError: if the source cannot be read.
      InvalidFilesError: if a file is no template file of promptsource; nothing is written then.
    """
    found = list(_read(source))
    chosen = [s for s in found if not dataset or dataset in {s.dataset, s.name}]
    if not chosen:
        names = sorted({s.name for s in found})
        hint = did_you_mean(dataset, names) or f"Found {', '.join(names[:10]) or 'none'}."
        raise UsageError(f"{source}: found no templates for '{dataset}'. {hint}")
    if records is not None and len({s.dataset for s in chosen}) > 1:
        raise UsageError(
            f"--check {records}: found templates of several datasets, whose records have different "
            "columns. Name one with --dataset."
        )
    rows = _records(records) if records is not None else None
    results = [import_set(upstream) for upstream in chosen]
    files: dict[Path, str] = {}
    for result in results:
        if result.templates:
            _plan(files, out / f"{result.name}.yaml", template_file(result, licence=licence))
            if cards is not None:
                _plan(files, cards / f"{result.name}.yaml", card_stub(result))
    _write(files, force=force)
    return [
        Imported(
            result=result,
            file=str(out / f"{result.name}.yaml") if result.templates else "",
            card=str(cards / f"{result.name}.yaml") if cards and result.templates else "",
            parity=compare(result, rows) if rows is not None else None,
        )
        for result in results
    ]


def _read(source: str) -> Iterator[UpstreamSet]:
    findings: list[Finding] = []
    sets: list[UpstreamSet] = []
    if has_scheme(source):
        with tempfile.NamedTemporaryFile(suffix=".yaml") as copy:
            copy.write(fetch(source, at_most=MAX_BYTES))
            copy.flush()
            _keep(read_promptsource(Path(copy.name), shown_as=source), sets, findings)
    else:
        path = Path(source)
        if not path.exists():
            raise UsageError(f"{source}: found no such file or folder. Check the path.")
        files = [path]
        if path.is_dir():
            files = sorted(path.rglob("templates.yaml"))
            if not files:
                raise UsageError(f"{source}: found no templates.yaml in it. Name another folder.")
        for file in files:
            _keep(read_promptsource(file, shown_as=str(file)), sets, findings)
    if findings:
        raise InvalidFilesError(tuple(findings))
    return iter(sets)


def _keep(
    read: tuple[UpstreamSet | None, list[Finding]],
    sets: list[UpstreamSet],
    findings: list[Finding],
) -> None:
    upstream, problems = read
    findings.extend(problems)
    if upstream is not None:
        sets.append(upstream)


def _records(path: Path) -> list[Mapping[str, Any]]:
    records: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                raise SourceError(
                    f"{path}: line {number}: found no JSON object; expected one record a line."
                )
            records.append(record)
            if len(records) == MAX_RECORDS:
                break
    if not records:
        raise SourceError(f"{path}: found no record; expected one JSON object a line.")
    return records


def _plan(files: dict[Path, str], path: Path, text: str) -> None:
    if path in files:
        raise UsageError(
            f"{path}: two of the imported files would have this name. Import them one by one, each "
            "to an --out of its own."
        )
    files[path] = text


def _write(files: Mapping[Path, str], *, force: bool) -> None:
    different = [
        path
        for path, text in files.items()
        if path.exists() and path.read_text(encoding="utf-8") != text
    ]
    if different and not force:
        raise UsageError(
            f"{different[0]}: is there already and holds something else. Move it away, choose "
            "another folder, or say --force to replace it."
        )
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_output(str(path)) as output:
            output.write(text.encode("utf-8"))
