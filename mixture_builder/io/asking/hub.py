"""Asking the Hugging Face Hub what a dataset repository holds, through its own client."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from mixture_builder.io.asking.answers import Answer, Reason, Repository

_ADDRESS = re.compile(
    r"hf://datasets/(?P<dataset>[^/@]+(?:/[^/@]+)?)"
    r"(?:@(?P<revision>refs/(?:convert|pr)/[^/]+|[^/]+))?(?:/(?P<path>.*))?"
)


def parts_of(address: str) -> tuple[str, str, str]:
    """Dataset, revision (empty if not named) and path of an `hf://datasets/` address.

    >>> parts_of("hf://datasets/owner/name@refs%2Fconvert%2Fparquet/a/*.parquet")
    ('owner/name', 'refs/convert/parquet', 'a/*.parquet')
    >>> parts_of("hf://datasets/owner/name/a.csv")
    ('owner/name', '', 'a.csv')

    Raises:
      ValueError: for what is no such address.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(address)
    return found["dataset"], unquote(found["revision"] or ""), found["path"] or ""


def ask_hub(address: str, *, timeout: float) -> Answer:
    """What the Hub knows of the dataset an address lies in; one request a repository.

    Args:
      address: `hf://datasets/<dataset>[@<revision>]`, with or without a path.
      timeout: seconds.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        dataset, revision, _ = parts_of(address)
        info = api.dataset_info(dataset, revision=revision or None, timeout=timeout)
        if info.gated:
            # Its description is for all, its files are not.
            api.auth_check(dataset, repo_type="dataset")
    except ValueError as problem:
        return Answer(reason="not_found", detail=f"no dataset address: {problem}"[:200])
    except Exception as problem:  # noqa: BLE001  (the client's errors are those of three libraries)
        return _no_answer(problem, timeout=timeout)
    card: Any = info.card_data
    data: Mapping[str, Any] = card.to_dict() if card else {}
    files = tuple(sibling.rfilename for sibling in info.siblings or ())
    configurations, default = _configurations(data)
    return Answer(
        repository=Repository(files=files, configurations=configurations, default=default)
    )


def _configurations(data: Mapping[str, Any]) -> tuple[dict[str, frozenset[str]], str]:
    """Configurations with their splits, and which one is taken where none is named."""
    listed = list(_mappings(data.get("configs")))
    names = [str(entry.get("config_name", "default")) for entry in listed]
    chosen = [name for name, entry in zip(names, listed, strict=True) if entry.get("default")]
    if not chosen:
        chosen = ["default"] if "default" in names else names if len(names) == 1 else []
    configurations = {
        name: frozenset(
            str(file["split"]) for file in _mappings(entry.get("data_files")) if "split" in file
        )
        for name, entry in zip(names, listed, strict=True)
    }
    return configurations, chosen[0] if chosen else ""


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, Mapping):
            yield entry


def _no_answer(problem: Exception, *, timeout: float) -> Answer:
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(problem, GatedRepoError):
        detail = "its terms must be accepted on its page, and `hf auth login` run"
        return Answer(reason="forbidden", detail=detail)
    if isinstance(problem, RepositoryNotFoundError):
        return Answer(reason="not_found", detail="no such dataset, or a private one")
    if isinstance(problem, RevisionNotFoundError):
        return Answer(reason="not_found", detail="no such revision")
    status = getattr(getattr(problem, "response", None), "status_code", None)
    said = f"{type(problem).__name__}: {problem}".split("\n", maxsplit=1)[0][:200]
    if status is not None:
        reasons: dict[int, Reason] = {
            HTTPStatus.UNAUTHORIZED: "forbidden",
            HTTPStatus.FORBIDDEN: "forbidden",
            HTTPStatus.NOT_FOUND: "not_found",
            HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
        }
        return Answer(reason=reasons.get(status, "status"), detail=said)
    if any("Timeout" in type(link).__name__ for link in _chain(problem)):
        return Answer(reason="timeout", detail=f"no answer within {timeout:g} s")
    if any(isinstance(link, socket.gaierror) for link in _chain(problem)):
        return Answer(reason="dns", detail="the name of the host is not known")
    if any("Connect" in type(link).__name__ for link in _chain(problem)):
        return Answer(reason="connection", detail=said)
    return Answer(reason="error", detail=said)


def _chain(problem: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = problem
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
