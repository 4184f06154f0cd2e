"""From a release's folder to the Hub: what is sent, in which commits, and when it is complete.

Contents are uploaded first, which changes nothing that anybody sees; then one commit names them
all. A release with more files than one commit takes gets several: the first removes the manifest
of an earlier release, the last brings the new one, so that no state in between looks complete.
What is there already is found by its hash, so a push that was cut off goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixture_builder.errors import BuildError, UsageError, VerifyError
from mixture_builder.findings import Finding, error
from mixture_builder.manifest import MANIFEST_NAME
from mixture_builder.release.hub import FIRST_WAIT, TRIES, Hub, Moved, RemoteFile
from mixture_builder.release.sealing import RELEASE_NAME, Release, ReleaseFile, git_hash

FILES_PER_COMMIT = 500
"""The Hub's own client commits up to a thousand files at once, and counts commits by the hour."""

FILES_PER_UPLOAD = 50
"""Files that are sent before progress is told."""

_FOLDERS = ("data/", "submixtures/", "cards/", "templates/")
"""Folders that belong to a release as a whole; other files of a repository are left alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What is missing between a repository and a release.

    Attributes:
      upload: files that are new or different, in the order in which they are committed.
      delete: files of an earlier release that are no longer in it.
      unchanged: files that are there.
      there: what the repository holds.
    """

    upload: tuple[ReleaseFile, ...]
    delete: tuple[str, ...]
    unchanged: int
    there: Collection[str]

    @property
    def done(self) -> bool:
        """Whether nothing is missing."""
        return not self.upload and not self.delete

    @property
    def commits(self) -> int:
        """How many it takes."""
        return 0 if self.done else max(1, -(-len(self.upload) // FILES_PER_COMMIT))

    @property
    def bytes(self) -> int:
        """Of the files to be uploaded."""
        return sum(f.bytes for f in self.upload)

    def next_commit(self) -> tuple[tuple[ReleaseFile, ...], tuple[str, ...]]:
        """Files and deletions of the first commit that is missing."""
        files = self.upload[:FILES_PER_COMMIT]
        delete = self.delete
        if len(self.upload) > FILES_PER_COMMIT:
            names = {f.file for f in files}
            marks = {MANIFEST_NAME, RELEASE_NAME} & set(self.there) - names - set(delete)
            delete = (*delete, *sorted(marks))
        return files, delete


def plan_push(release: Release, there: Mapping[str, RemoteFile]) -> Push:
    """Compares a release with what a repository holds."""
    names = {f.file for f in release.files}
    upload = [f for f in release.files if not _same(release.folder, f, there.get(f.file))]
    delete = [
        path
        for path in there
        if path not in names and (path.startswith(_FOLDERS) or path == MANIFEST_NAME)
    ]
    return Push(
        upload=tuple(upload),
        delete=tuple(sorted(delete)),
        unchanged=len(release.files) - len(upload),
        there=frozenset(there),
    )


def _same(folder: Path, file: ReleaseFile, remote: RemoteFile | None) -> bool:
    if remote is None or remote.bytes != file.bytes:
        return False
    if remote.sha256:
        return remote.sha256 == file.sha256
    return remote.blob == git_hash((folder / file.file).read_bytes())


def push(
    release: Release,
    hub: Hub,
    *,
    private: bool,
    tag: str,
    say: Callable[[str], None],
    on_sent: Callable[[int, int], None] | None = None,
) -> str:
    """Brings the repository to the state of the release; gives the commit that holds it.

    Args:
      release: as it stands in its folder.
      hub: the repository; it is made if there is none.
      private: whether a new one can be seen by its owners only.
      tag: that is to name the release later on.
      say: told what happens.
      on_sent: told how many files and bytes are sent.

    Raises:
      UsageError: if the repository holds something else, or the tag names another commit.
      BuildError: if the Hub refuses, or does not answer for long.
    """
    hub.create(private=private)
    head = hub.head()
    there = hub.files(head)
    _check_owner(release, hub, there)
    missing = plan_push(release, there)
    taken = hub.tags().get(tag)
    if taken is not None and (taken != head or not missing.done):
        raise UsageError(
            f"--revision {tag}: found a tag of that name on another commit ({taken[:12]}) of "
            f"{hub.repository}; what was published under a name stays. Choose another."
        )
    sent: set[str] = set()
    stuck, wait = 0, FIRST_WAIT
    while not missing.done:
        files, delete = missing.next_commit()
        fresh = [f for f in files if f.file not in sent]
        for start in range(0, len(fresh), FILES_PER_UPLOAD):
            part = fresh[start : start + FILES_PER_UPLOAD]
            hub.send(release.folder, {f.file: f.sha256 for f in part})
            sent.update(f.file for f in part)
            if on_sent:
                on_sent(len(part), sum(f.bytes for f in part))
        try:
            hub.commit(
                release.folder,
                {f.file: f.sha256 for f in files},
                delete=delete,
                message=_message(release, files, delete),
                parent=head,
            )
            stuck, wait = 0, FIRST_WAIT
            say(f"committed {len(files):,} files")
        except Moved as moved:
            stuck += 1
            if stuck == TRIES:
                raise BuildError(
                    f"{hub.repository}: committing failed {TRIES} times"
                    f"{': ' + str(moved.args[0]) if moved.args else ''}. Run the same command "
                    "again; what was sent is not sent twice."
                ) from None
            if moved.args:
                hub.wait(max(wait, moved.args[1]), why=f"committing: {moved.args[0]}")
                wait *= 2
        head = hub.head()
        missing = plan_push(release, hub.files(head))
    return head


def _message(release: Release, files: Sequence[ReleaseFile], delete: Sequence[str]) -> str:
    last = any(f.file == RELEASE_NAME for f in files)
    what = f"Release {release.digest[:12]} of {release.name}"
    return what if last or (not files and delete) else f"{what}, a part of its files"


def _check_owner(release: Release, hub: Hub, there: Mapping[str, RemoteFile]) -> None:
    """A repository with data that no release has put there is left alone."""
    if RELEASE_NAME in there:
        return
    names = {f.file for f in release.files}
    foreign = sorted(p for p in there if p.startswith(_FOLDERS) and p not in names)
    if foreign:
        raise UsageError(
            f"{hub.repository}: found files that no release has put there ({foreign[0]} and "
            f"{len(foreign) - 1:,} more); they would be deleted. Choose another --repo, or delete "
            "them there."
        )


def check_listing(release: Release, hub: Hub, commit: str) -> list[Finding]:
    """Whether the repository lists every file of a release with its size and hash."""
    there = hub.files(commit)
    missing = plan_push(release, there)
    where = f"hf://datasets/{hub.repository}@{commit}"
    again = "Run the same command again."
    return [
        *(
            error(f"{where}/{f.file}", "", "is missing there, or has another content.", again)
            for f in missing.upload
        ),
        *(
            error(f"{where}/{path}", "", "stands there and is no part of the release.", again)
            for path in missing.delete
        ),
    ]


def read_release(content: bytes, *, where: str) -> dict[str, Any]:
    """Plain data of a `release.json`.

    Raises:
      VerifyError: if it cannot be understood.
    """
    try:
        plain = json.loads(content)
        for entry in plain["files"]:
            ReleaseFile(**entry)
    except (ValueError, KeyError, TypeError) as problem:
        raise VerifyError(
            f"{where}: found no readable record of a release ({problem}). Release again."
        ) from None
    known: dict[str, Any] = plain
    return known
