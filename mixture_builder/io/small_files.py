"""Small files named on the command line: a local path, or a web address fetched into memory."""

from __future__ import annotations

import fsspec

from mixture_builder.errors import SourceError, UsageError
from mixture_builder.io.mirror import has_scheme
from mixture_builder.io.readers.files import REMOTE_SCHEMES


def fetch(url: str, *, at_most: int) -> bytes:
    """The bytes of a remote file.

    Args:
      url: `https://...`, or another address of a web server, the Hub or a cloud.
      at_most: most bytes that are read.

    Raises:
      UsageError: for an address of another kind.
      SourceError: if it cannot be read or is larger.
    """
    if not has_scheme(url) or url.split("://", maxsplit=1)[0].lower() not in REMOTE_SCHEMES:
        raise UsageError(
            f"{url}: found no such address; expected a path, or one of {', '.join(REMOTE_SCHEMES)}."
        )
    try:
        with fsspec.open(url, "rb") as stream:
            data: bytes = stream.read(at_most + 1)
    except Exception as problem:  # noqa: BLE001  (file systems raise what they like)
        reason = str(problem).split("\n", maxsplit=1)[0] or type(problem).__name__
        raise SourceError(
            f"{url}: cannot be read ({reason}). Check the address and the network."
        ) from None
    if len(data) > at_most:
        raise SourceError(f"{url}: found more than {at_most:,} bytes; expected a small file.")
    return data
