"""One stable hash of plain data, for cards, templates, recipes and plans alike.

Plain data is what JSON holds. Equal data has equal fingerprints on every machine and
Python version; the order of mapping keys does not matter, the order of lists does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

FINGERPRINT_LENGTH = 32
"""Hexadecimal digits; 128 bits leave no room for accidental collisions."""


def canonical_json(data: Any) -> bytes:
    """The one spelling of `data` that is hashed: sorted keys, no spaces, UTF-8.

    Raises:
      TypeError: if `data` holds anything JSON has no word for.
      ValueError: if it holds NaN or an infinity.
    """
    text = json.dumps(
        data, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    # Lone surrogates can stand in JSON escapes; they must hash, not raise.
    return text.encode("utf-8", "surrogatepass")


def fingerprint(data: Any) -> str:
    """Hexadecimal BLAKE2b-128 of `canonical_json(data)`.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    digest = hashlib.blake2b(canonical_json(data), digest_size=FINGERPRINT_LENGTH // 2)
    return digest.hexdigest()


def fingerprint_of_large(data: Mapping[str, Any]) -> str:
    """The same as `fingerprint`, without ever holding the whole of `data` as text.

    What stands two levels deep is spelled one by one, and may be made only then: mappings below
    `data` need not be dicts. All keys there are texts.

    >>> fingerprint_of_large({"a": {"c": [1], "b": 2}}) == fingerprint({"a": {"b": 2, "c": [1]}})
    True
    """
    digest = hashlib.blake2b(digest_size=FINGERPRINT_LENGTH // 2)
    for piece in _pieces(data, depth=2):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(data: Any, *, depth: int) -> Iterator[bytes]:
    if not depth or not isinstance(data, Mapping):
        yield canonical_json(data)
        return
    before = b"{"
    for key in sorted(data):
        yield before + canonical_json(key) + b":"
        yield from _pieces(data[key], depth=depth - 1)
        before = b","
    yield b"}" if data else b"{}"
