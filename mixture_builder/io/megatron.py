"""Tokens as Megatron-LM's `.bin` and `.idx` files hold them.

The `.bin` file is the tokens of all documents, one after the other, and nothing else. The
`.idx` file, everything little-endian: the nine bytes `MMIDIDX` and two zeros; uint64 1, the
version; uint8, the kind of number in the `.bin` file; uint64, how many sequences; uint64, how
many entries the last array has; int32 lengths of the sequences, in tokens; int64 places where
they begin, in bytes; int64 numbers of the sequences with which documents begin, and at the end
the number of sequences. Here each document is one sequence.
"""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np
import numpy.typing as npt

from mixture_builder.io.atomic import WrittenFile, atomic_output
from mixture_builder.token_lists import TokenLists, starts_of

Kind = Literal["uint16", "int32"]

_MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
_CODES: dict[Kind, int] = {"int32": 4, "uint16": 8}
_TYPES: dict[Kind, str] = {"int32": "<i4", "uint16": "<u2"}

# Megatron-LM leaves some numbers of 16 bits unused; its own files change over here.
_FIRST_WIDE_VOCABULARY = 65_500

_AT_A_TIME = 1 << 22


def token_kind(vocabulary: int) -> Kind:
    """How a `.bin` file stores the tokens of a vocabulary of that size."""
    return "uint16" if vocabulary < _FIRST_WIDE_VOCABULARY else "int32"


def write_bin(documents: TokenLists, url: str, *, kind: Kind) -> WrittenFile:
    """Writes the tokens of all documents; files of several calls may be joined end to end.

    Raises:
      BuildError: if the storage refuses.
    """
    with atomic_output(url) as output:
        for start in range(0, len(documents.values), _AT_A_TIME):
            piece = documents.values[start : start + _AT_A_TIME]
            output.write(piece.astype(_TYPES[kind]).tobytes())
        return output.written(len(documents))


def write_lengths(documents: TokenLists, url: str) -> WrittenFile:
    """Writes the lengths alone, as `index_bytes` wants them back.

    Raises:
      BuildError: if the storage refuses.
    """
    with atomic_output(url) as output:
        output.write(documents.lengths.astype("<i4").tobytes())
        return output.written(len(documents))


def write_index(lengths: npt.NDArray[np.integer], url: str, *, kind: Kind) -> WrittenFile:
    """Writes the `.idx` file that belongs to a `.bin` file.

    Args:
      lengths: of the documents in the `.bin` file, in tokens.
      url: local path or fsspec URL of the file.
      kind: as in the `.bin` file.

    Raises:
      BuildError: if the storage refuses.
    """
    count = len(lengths)
    width = np.dtype(_TYPES[kind]).itemsize
    with atomic_output(url) as output:
        output.write(_MAGIC + struct.pack("<QBQQ", _VERSION, _CODES[kind], count, count + 1))
        output.write(lengths.astype("<i4").tobytes())
        output.write((starts_of(lengths.astype(np.int64)) * width).astype("<i8").tobytes())
        output.write(np.arange(count + 1, dtype="<i8").tobytes())
        return output.written(count)
