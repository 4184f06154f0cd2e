"""Whether what stands at an address is what a card says."""

from __future__ import annotations

from collections.abc import Iterable

from mixture_builder.findings import did_you_mean
from mixture_builder.io.asking.answers import Answer, Repository
from mixture_builder.io.asking.hub import parts_of
from mixture_builder.io.readers.archives import glob_pattern
from mixture_builder.io.readers.content import refuse_impostors
from mixture_builder.io.readers.files import SourceFile
from mixture_builder.io.readers.records import ReadingError, listed
from mixture_builder.sources import Source

_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""How gzip, bzip2, xz and Zstandard begin."""


def problem_with(answer: Answer, *, file: SourceFile, source: Source) -> Answer | None:
    """Why a file of a source is of no use, as an answer with a reason; `None` if it is.

    Args:
      answer: what the address said.
      file: as `named_files` gave it.
      source: what the card says; for a dataset of the Hub, its configuration and split count.
    """
    if answer.reason:
        return answer
    if answer.repository is not None:
        if file.location is None:
            return _wrong_dataset(answer.repository, source)
        return _wrong_path(answer.repository, file.location)
    if file.inside:
        return _no_archive(answer.head, step=file.inside[0])
    if answer.head.startswith(_PACKED):
        return None
    if source.kind == "hub" and not source.files:
        # A mirrored copy: Parquet or JSON Lines, as its name says.
        return None
    try:
        refuse_impostors(answer.head, format=file.format)
    except ReadingError as problem:
        return Answer(reason="content", detail=f"found {problem.found}")
    return None


def _no_archive(head: bytes, *, step: str) -> Answer | None:
    is_zip = head.startswith(b"PK")
    is_tar = head[257:262] == b"ustar" or head.startswith(_PACKED)
    if is_zip if step.startswith("zip://") else is_tar:
        return None
    found = "something else"
    try:
        refuse_impostors(head, format="text")
    except ReadingError as problem:
        found = problem.found
    archive = "zip" if step.startswith("zip://") else "tar"
    return Answer(reason="content", detail=f"found {found} in place of a {archive} archive")


def _wrong_dataset(repository: Repository, source: Source) -> Answer | None:
    name = source.dataset.split("/")[-1]
    if f"{name}.py" in repository.files:
        detail = "needs a loading script, which is never run"
        return Answer(reason="script", detail=detail)
    known = repository.configurations
    if not known:
        return None
    configuration = source.config or repository.default
    if configuration not in known:
        asked = f"no configuration '{configuration}'" if configuration else "no configuration named"
        return Answer(reason="configuration", detail=_but(asked, known))
    splits = known[configuration]
    if splits and source.split.isidentifier() and source.split not in splits:
        return Answer(reason="split", detail=_but(f"no split '{source.split}'", splits))
    return None


def _but(what: str, known: Iterable[str]) -> str:
    return f"{what}; there are {listed(sorted(known), limit=12)}"


def _wrong_path(repository: Repository, location: str) -> Answer | None:
    _, _, path = parts_of(location)
    if not path:
        return None
    wanted = glob_pattern(path)
    if any(wanted.fullmatch(name) for name in repository.files):
        return None
    hint = did_you_mean(path, repository.files)
    return Answer(reason="not_found", detail=f"the dataset has no file {path}. {hint}".rstrip())
