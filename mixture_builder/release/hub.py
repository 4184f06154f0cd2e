"""The one door to the Hugging Face Hub for a release: what is there, sending, committing, tagging.

The token is the one that `hf auth login` or HF_TOKEN gives to the Hub's own client. It is given to
nothing else, and taken out of every message. What fails for a while is tried again: dropped
connections, too many requests (for as long as the Hub says), errors of the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from mixture_builder.errors import BuildError, UsageError

T = TypeVar("T")

TRIES = 6
"""How often something is tried; the client tries requests a few times more within each."""

FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
PATIENCE = 900.0
"""Seconds: the first wait, which doubles; the longest; the longest that the Hub may ask for."""

_PRECONDITION_FAILED = 412
_ONLY_ERRORS = 40  # as the standard library counts


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """A file in the repository.

    Attributes:
      bytes: its size.
      sha256: of its bytes if it is stored as a large file, else empty.
      blob: git's name of its content, for small files.
    """

    bytes: int
    sha256: str
    blob: str


class Moved(Exception):  # noqa: N818  (no error: somebody, maybe we ourselves, has committed)
    """The repository is not in the state that a commit was made for."""


class Hub:
    """A dataset repository on the Hub."""

    def __init__(self, repository: str, *, say: Callable[[str], None]) -> None:
        """Takes the user's token from where the Hub's client keeps it.

        Args:
          repository: `owner/name`.
          say: told of waits.

        Raises:
          UsageError: if there is no token.
        """
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import logging
        from huggingface_hub.utils.tqdm import disable_progress_bars

        # What it would show are waits, which are told by `say`, and addresses with signatures.
        disable_progress_bars()
        logging.set_verbosity(_ONLY_ERRORS)
        self.repository = repository
        self._token = get_token() or ""
        if not self._token:
            raise UsageError(
                "found no token of the Hugging Face Hub; expected one that may write. Run `hf auth "
                "login`, or set HF_TOKEN."
            )
        self._api: Any = HfApi(token=self._token)
        self._say = say

    def create(self, *, private: bool) -> None:
        """Makes the repository if there is none; one that is there stays as it is."""
        self._patiently(
            "making the repository",
            lambda: self._api.create_repo(
                self.repository,
                private=private,
                exist_ok=True,
                repo_type="dataset",
            ),
        )

    def head(self) -> str:
        """The commit that the branch `main` stands at."""
        info = self._patiently(
            "asking for the repository", lambda: self._api.dataset_info(self.repository)
        )
        return str(info.sha)

    def files(self, commit: str) -> dict[str, RemoteFile]:
        """All files at a commit, by path."""

        def listed() -> list[Any]:
            return list(
                self._api.list_repo_tree(
                    self.repository,
                    recursive=True,
                    revision=commit,
                    repo_type="dataset",
                )
            )

        found = {}
        for entry in self._patiently("listing the repository", listed):
            if hasattr(entry, "blob_id"):
                lfs = entry.lfs
                found[entry.path] = RemoteFile(
                    bytes=entry.size, sha256=lfs.sha256 if lfs else "", blob=entry.blob_id
                )
        return found

    def tags(self) -> dict[str, str]:
        """The commits of all tags, by name."""
        refs = self._patiently(
            "asking for tags",
            lambda: self._api.list_repo_refs(
                self.repository,
                repo_type="dataset",
            ),
        )
        return {tag.name: tag.target_commit for tag in refs.tags}

    def send(self, folder: Path, files: Mapping[str, str]) -> None:
        """Uploads contents, so that a commit can name them; what is there already is not sent.

        Args:
          folder: below which they stand.
          files: SHA-256 by path.
        """
        self._patiently(
            "sending files",
            lambda: self._api.preupload_lfs_files(
                self.repository,
                additions=list(_additions(folder, files)),
                repo_type="dataset",
            ),
            uploading=True,
        )

    def commit(
        self,
        folder: Path,
        files: Mapping[str, str],
        *,
        delete: Sequence[str],
        message: str,
        parent: str,
    ) -> None:
        """Makes one commit; tried once, since a lost answer may hide a commit that was made.

        Args:
          folder: below which the files stand.
          files: SHA-256 by path.
          delete: paths that go.
          message: of the commit.
          parent: what the branch must stand at.

        Raises:
          Moved: if it stands elsewhere, or nobody knows whether the commit was made.
          BuildError: if the Hub refuses.
        """
        from huggingface_hub import CommitOperationDelete

        operations = [
            *(CommitOperationDelete(path_in_repo=path) for path in delete),
            *_additions(folder, files),
        ]
        try:
            self._api.create_commit(
                self.repository,
                operations,
                commit_message=message,
                parent_commit=parent,
                repo_type="dataset",
            )
        except Exception as problem:
            if _status(problem) == _PRECONDITION_FAILED:
                raise Moved from problem
            if not _passes(problem, uploading=True):
                raise self._failed("committing", problem) from None
            wait = _asked_wait(problem)
            if wait is not None and wait > PATIENCE:
                raise self._too_long("committing", wait) from None
            raise Moved(self._clean(problem), wait or 0.0) from problem

    def tag(self, name: str, *, commit: str, message: str) -> None:
        """Names a commit."""
        self._patiently(
            "tagging",
            lambda: self._api.create_tag(
                self.repository,
                tag=name,
                revision=commit,
                tag_message=message,
                exist_ok=True,
                repo_type="dataset",
            ),
        )

    def wait(self, seconds: float, *, why: str) -> None:
        """Waits, and says so."""
        self._say(f"{why}; trying again in {seconds:.0f} s")
        time.sleep(seconds)

    def _patiently(self, doing: str, action: Callable[[], T], *, uploading: bool = False) -> T:
        wait = FIRST_WAIT
        for left in reversed(range(TRIES)):
            try:
                return action()
            except Exception as problem:  # noqa: BLE001  (those of three libraries)
                if not left or not _passes(problem, uploading=uploading):
                    raise self._failed(doing, problem) from None
                asked = _asked_wait(problem)
                if asked is not None and asked > PATIENCE:
                    raise self._too_long(doing, asked) from None
                self.wait(max(wait, asked or 0.0), why=f"{doing}: {self._clean(problem)}")
                wait = min(2 * wait, LONGEST_WAIT)
        raise AssertionError("the last try returns or raises")

    def _failed(self, doing: str, problem: Exception) -> BuildError:
        status = _status(problem)
        way_out = "Run the same command again; what was sent is not sent twice."
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            way_out = "Check that the token may write there (`hf auth whoami`)."
        return BuildError(f"{self.repository}: {doing} failed: {self._clean(problem)}. {way_out}")

    def _too_long(self, doing: str, seconds: float) -> BuildError:
        return BuildError(
            f"{self.repository}: {doing}: the Hub asks to wait {seconds / 60:.0f} minutes. Run the "
            "same command again then; what was sent is not sent twice."
        )

    def _clean(self, problem: BaseException) -> str:
        """The first line of an error, without the token, whoever wrote it there."""
        links = list(_chain(problem))
        text = next((str(link) for link in reversed(links) if str(link)), "")
        line = text.strip().split("\n", maxsplit=1)[0].split("?")[0][:300].rstrip(". ")
        return f"{type(links[-1]).__name__}: {line}".replace(self._token, "***")


def _additions(folder: Path, files: Mapping[str, str]) -> Iterator[Any]:
    from huggingface_hub import CommitOperationAdd

    for path, sha256 in files.items():
        addition = CommitOperationAdd(path_in_repo=path, path_or_fileobj=str(folder / path))
        # It is known already; reading gigabytes again would take minutes.
        addition.upload_info.sha256 = bytes.fromhex(sha256)
        yield addition


def _chain(problem: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = problem
    while link is not None:
        yield link
        link = link.__cause__


def _response(problem: BaseException) -> Any:
    for link in _chain(problem):
        response = getattr(link, "response", None)
        if response is not None:
            return response
    return None


def _status(problem: BaseException) -> int | None:
    response = _response(problem)
    return None if response is None else int(response.status_code)


def _passes(problem: BaseException, *, uploading: bool) -> bool:
    """Whether it may be different next time."""
    status = _status(problem)
    if status is not None:
        return status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS} or status >= 500
    for link in _chain(problem):
        if isinstance(link, ConnectionError | TimeoutError):
            return True
        module = type(link).__module__.partition(".")[0]
        if module.startswith("httpx") and "InvalidURL" not in type(link).__name__:
            return True
        # The chunked transfer of the Hub gives no kinds of errors.
        if uploading and module == "hf_xet":
            return True
    return False


def _asked_wait(problem: BaseException) -> float | None:
    """Seconds that the Hub asks to wait."""
    response = _response(problem)
    asked = None if response is None else response.headers.get("Retry-After")
    return float(asked) if asked is not None and asked.isdigit() else None
