"""Which files a source names: resolved through the mirror, globs expanded, local ones checked.

Cards come from strangers. What a card names is read only from the network, or from the
card's own folder; local paths elsewhere must come out of the user's mirror.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath, PureWindowsPath

from mixture_builder.errors import SourceError
from mixture_builder.io.mirror import Mirror, has_scheme
from mixture_builder.sources import Format, Source

REMOTE_SCHEMES = ("http", "https", "hf", "gs", "gcs", "s3", "abfs", "abfss", "az")
"""What a card may name besides paths in its own folder."""

ARCHIVE_SCHEMES = ("zip", "tar")
"""Steps into archives: `zip://member::archive`."""

_DATASET = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """One file of a source: the unit in which reading can be split.

    Several members of one archive are one file, because an archive is read front to back.

    Attributes:
      name: as the card names it (URL or path in its folder), globs resolved except inside
        archives. The same on every machine, whatever the mirror.
      location: where it is read from: absolute path or URL; `None`: through `datasets`.
      inside: steps into archives, the outermost archive's first.
      format: how it is read.
      size: in bytes, of what stands at `location`; `None` when that is not local.
      modified: when that was last changed, in nanoseconds since 1970; `None` as above.
      beside: the file that each `beside` of the source puts next to this one.
    """

    name: str
    location: str | None
    inside: tuple[str, ...] = ()
    format: Format
    size: int | None = None
    modified: int | None = None
    beside: tuple[SourceFile, ...] = ()


def source_files(source: Source, *, base: str, mirror: Mirror) -> list[SourceFile]:
    """The files of a source, in the order of the card; those of a glob sorted by name.

    Args:
      source: what the card says.
      base: the card's folder, a local path or a URL.
      mirror: the user's copies.

    Raises:
      SourceError: for a name that a card may not use, a local file that is missing or no
        plain file, a glob that matches nothing or cannot be listed, and files beside that
        are more or fewer than the source's own.
    """
    if source.kind == "hub":
        files = _hub_files(source, mirror=mirror)
    else:
        files = [
            file
            for name in source.files
            for file in _expand(name, base=base, mirror=mirror, read_as=source.format)
        ]
    for beside in source.beside:
        sides = [
            file
            for name in beside.files
            for file in _expand(name, base=base, mirror=mirror, read_as=beside.format)
        ]
        if len(sides) != len(files):
            raise SourceError(
                f"{source.files[0] if source.files else source.dataset}: found {len(files)} "
                f"files and {len(sides)} beside them; expected as many beside. Correct "
                "`files` or `beside.files` in the card."
            )
        files = [
            replace(file, beside=(*file.beside, side))
            for file, side in zip(files, sides, strict=True)
        ]
    return files


def hub_key(source: Source) -> str:
    """How a Hub dataset is named in places and in the mirror.

    `hf://datasets/<dataset>[@<revision>]/<config, or "default">/<split>`
    """
    revision = f"@{source.revision}" if source.revision else ""
    return f"hf://datasets/{source.dataset}{revision}/{source.config or 'default'}/{source.split}"


def _hub_files(source: Source, *, mirror: Mirror) -> list[SourceFile]:
    if not _DATASET.fullmatch(source.dataset):
        # `datasets` would take a path for a local folder and read it.
        raise SourceError(
            f"'{source.dataset}': found no name of a dataset on the Hub; expected "
            "'<owner>/<name>' or '<name>'. Correct `dataset` in the card."
        )
    if source.files:
        revision = f"@{source.revision}" if source.revision else ""
        root = f"hf://datasets/{source.dataset}{revision}/"
        return [
            file
            for name in source.files
            for file in _expand(
                root + name,
                base="",
                mirror=mirror,
                read_as="parquet" if name.endswith(".parquet") else source.format,
            )
        ]
    key = hub_key(source)
    target = mirror.resolve(key)
    if mirror.offline and (target is None or is_elsewhere(target)):
        raise _out_of_reach(key)
    if target is None:
        return [SourceFile(name=key, location=None, format="parquet")]
    if not has_scheme(target) and os.path.isdir(target):
        pairs = _data_files(key, target.rstrip("/"))
    else:
        pairs = sorted(_matches(key, target)) if "*" in target else [(key, target)]
    if not pairs:
        raise SourceError(
            f"{key} (read from {target}): found no Parquet and no JSON Lines; expected at "
            "least one file. Correct the mirror."
        )
    return [
        _checked(
            SourceFile(
                name=name,
                location=location,
                format="parquet" if location.endswith(".parquet") else "jsonl",
            )
        )
        for name, location in pairs
    ]


def _data_files(key: str, folder: str) -> list[tuple[str, str]]:
    paths = sorted(
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder)
        for name in names
    )
    chosen = [path for path in paths if path.endswith(".parquet")]
    chosen = chosen or [path for path in paths if re.search(r"\.jsonl(\.\w+)?$", path)]
    return [(f"{key}/{path}", f"{folder}/{path}") for path in chosen]


def _expand(name: str, *, base: str, mirror: Mirror, read_as: Format) -> list[SourceFile]:
    *steps, root = name.split("::")
    for step in steps:
        if step.partition("://")[0] not in ARCHIVE_SCHEMES or "://" not in step:
            raise _refused(
                name, f"'{step}'", "steps into archives of the form zip://... or tar://..."
            )
    pattern, around = root, ("".join(f"{step}::" for step in steps), "")
    trusted = mirror.resolve(name)
    if trusted is not None:
        # Copies of members stand for themselves: no step into an archive leads to them.
        pattern, _, archive = name.partition("::")
        steps, around = [], ("", f"::{archive}" if archive else "")
    else:
        trusted = mirror.resolve(root) if has_scheme(root) else None
    location = trusted if trusted is not None else _location(root, name=name, base=base)
    *more_steps, location = location.split("::")
    if mirror.offline and is_elsewhere(location):
        raise _out_of_reach(name)
    inside = tuple(reversed([*steps, *more_steps]))
    file = SourceFile(name=name, location=location, inside=inside, format=read_as)
    if "*" not in location:
        return [_checked(file)]
    pairs = sorted(_matches(pattern, location))
    if trusted is None and not has_scheme(location):
        pairs = [(found, _stay_inside(at, name=found, base=base)) for found, at in pairs]
    before, after = around
    files = [
        _checked(replace(file, name=f"{before}{found}{after}", location=at)) for found, at in pairs
    ]
    if not files:
        where = "" if location == name else f" (looked for at {location})"
        raise SourceError(
            f"{name}{where}: found no file; expected at least one that fits the '*'. "
            "Correct `files` in the card, or the mirror."
        )
    return files


def _location(root: str, *, name: str, base: str) -> str:
    if has_scheme(root):
        scheme = root.partition("://")[0].lower()
        if scheme not in REMOTE_SCHEMES:
            raise _refused(name, f"'{scheme}://'", f"one of {', '.join(REMOTE_SCHEMES)}")
        return root
    odd = PureWindowsPath(root).is_absolute() or PureWindowsPath(root).drive or "\0" in root
    if not root or PurePosixPath(root).is_absolute() or root.startswith("~") or odd:
        raise _refused(name, f"the path '{root}'", "a URL or a path inside the card's folder")
    if has_scheme(base):
        if ".." in root.split("/"):
            raise _refused(name, "'..'", "a path inside the card's folder")
        return f"{base.rstrip('/')}/{root}"
    if "*" in root:
        if ".." in root.split("/"):
            raise _refused(name, "'..'", "a path inside the card's folder")
        return os.path.join(os.path.realpath(base), root)
    return _stay_inside(os.path.join(base, root), name=name, base=base)


def _stay_inside(path: str, *, name: str, base: str) -> str:
    real, folder = os.path.realpath(path), os.path.realpath(base)
    if os.path.commonpath([real, folder]) != folder:
        raise _refused(name, "a path that leads elsewhere", "a path inside the card's folder")
    return real


def is_mirrored(source: Source, *, mirror: Mirror) -> bool:
    """Whether the mirror, or the card's own folder, speaks of all that a source reads.

    Files may still be missing where a whole folder is mirrored.
    """
    if source.kind == "hub" and not source.files:
        return mirror.resolve(hub_key(source)) is not None
    names = [*source.files, *(name for beside in source.beside for name in beside.files)]
    return all(
        not has_scheme(root := name.split("::")[-1])
        or mirror.resolve(name) is not None
        or mirror.resolve(root) is not None
        for name in names
    )


def is_elsewhere(location: str) -> bool:
    """Whether reading it needs the network."""
    return has_scheme(location) and location.partition("://")[0].lower() not in {"file", "memory"}


def _out_of_reach(name: str) -> SourceError:
    return SourceError(
        f"{name}: found no local copy, and --offline keeps from reading it over the network. Map "
        "the address to a copy in a mirror file, or leave --offline out."
    )


def _refused(name: str, found: str, expected: str) -> SourceError:
    return SourceError(
        f"{name}: found {found}; a card may name {expected}. To read a local copy, map the "
        "card's address to it in a mirror file."
    )


def _matches(root: str, location: str) -> Iterator[tuple[str, str]]:
    """Pairs of name and location: what a `*` stands for is the same in both."""
    fixed_name = _before_star(root) if "*" in root else f"{root}/"
    fixed = _before_star(location)
    if not has_scheme(location):
        pattern = glob.escape(location).replace("[*]", "*")
        for found in glob.iglob(pattern, recursive=True):
            if os.path.isfile(found):
                yield fixed_name + found[len(fixed) :], found
        return
    if location.startswith(("http://", "https://")):
        raise SourceError(
            f"{location}: found a '*' in a web address; expected names, because web servers "
            "cannot be listed. Write the files one by one, or mirror the folder."
        )
    from fsspec.core import url_to_fs

    try:
        file_system, path = url_to_fs(location)
        folder = url_to_fs(fixed)[1].rstrip("/") + "/"
        listed = file_system.glob(path)
    except Exception as problem:
        # Every file system raises errors of its own here.
        raise SourceError(
            f"{location}: its files cannot be listed ({type(problem).__name__}: "
            f"{str(problem)[:300]}). Check the network and your rights, or mirror local copies."
        ) from problem
    for found in listed:
        rest = found[len(folder) :]
        yield fixed_name + rest, fixed + rest


def _before_star(pattern: str) -> str:
    before = pattern.partition("*")[0]
    return before[: before.rfind("/") + 1]


def _checked(file: SourceFile) -> SourceFile:
    location = file.location
    if location is None or has_scheme(location):
        return file
    shown = file.name if file.name == location else f"{file.name} (read from {location})"
    try:
        status = os.stat(location)
    except OSError as problem:
        raise SourceError(
            f"{shown}: found no readable file ({problem.strerror}); expected one. Correct "
            "`files` in the card, or the mirror."
        ) from None
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no plain file"
        raise SourceError(
            f"{shown}: found {what}; expected a file. Name files, or use a '*' for all in a folder."
        )
    return replace(file, size=status.st_size, modified=status.st_mtime_ns)
