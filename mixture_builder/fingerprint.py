"""One stable hash of plain data, for cards, templates, recipes and plans alike.

Plain data is what JSON holds. Equal data has equal fingerprints on every machine and
Python version; the order of mapping keys does not matter, the order of lists does.
"""

from __future__ import annotations

import hashlib
import json
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
