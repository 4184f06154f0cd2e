"""Texts to token ids with any `tokenizer.json`; the only door to the package `tokenizers`.

A text is tokenised as text: the file's own truncation, padding and begin or end tokens are
off, and a marker such as `</s>` inside a prompt does not become the control token of that
name. What must be added is added by whoever lays out the tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa

from mixture_builder.errors import StoreError, UsageError
from mixture_builder.io.atomic import atomic_output
from mixture_builder.io.bounded_slices import bounded_slices
from mixture_builder.io.remote_store import origin, publish, read_text
from mixture_builder.token_lists import TokenLists, one_after_the_other

END_TOKENS: tuple[str, ...] = (
    "</s>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<eos>",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
)
"""What tokenizers call the token that ends a text; `tokenizer.json` itself does not say."""

_PAD_TOKENS = ("<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>")

# The package keeps some 100 bytes a token until a call is over, so not all texts at once.
_ROWS, _BYTES = 1_024, 4 * 1024 * 1024


class Tokenizer:
    """A tokenizer read from its file.

    Attributes:
      path: of the file.
      vocabulary: one more than the largest token id, added tokens included.
      padding: the id that fills what is left over: that of a token with a usual name, or 0.
    """

    def __init__(self, path: str, content: bytes) -> None:
        """Reads the content of a `tokenizer.json`.

        Raises:
          UsageError: if it is none.
        """
        try:
            from tokenizers import Tokenizer as Reader
        except ModuleNotFoundError as error:
            raise UsageError(
                f"{path}: the package tokenizers is not installed, and tokens are counted with it. "
                "Run `pip install 'mixture-builder[tokenizers]'`."
            ) from error

        self.path = path
        try:  # The package raises nothing more specific than Exception.
            self._reader: Any = Reader.from_buffer(content)
        except Exception as error:
            raise UsageError(
                f"{path}: found no tokenizer: {error}. Expected the file tokenizer.json of a "
                "model, as the package tokenizers reads and writes it."
            ) from error
        self._reader.no_truncation()
        self._reader.no_padding()
        self._reader.encode_special_tokens = True
        self.vocabulary = 1 + max(self._reader.get_vocab(with_added_tokens=True).values())
        self._special = {
            str(token["content"]): int(token["id"])
            for token in json.loads(content).get("added_tokens") or ()
            if token.get("special")
        }
        self.padding = next((self._special[t] for t in _PAD_TOKENS if t in self._special), 0)

    def encode(self, texts: pa.ChunkedArray) -> TokenLists:
        """The token ids of each text."""
        parts = []
        for piece in bounded_slices(pa.table({"text": texts}), rows=_ROWS, size=_BYTES):
            found = self._reader.encode_batch_fast(
                piece.column("text").to_pylist(), add_special_tokens=False
            )
            ids = [encoding.ids for encoding in found]
            parts.append(
                TokenLists(
                    values=np.concatenate([np.array(i, dtype=np.int32) for i in ids]),
                    lengths=np.array([len(i) for i in ids], dtype=np.int64),
                )
            )
        return one_after_the_other(parts)

    def count(self, texts: Sequence[str]) -> list[int]:
        """The number of token ids of each text."""
        if not texts:
            return []
        column = pa.chunked_array([pa.array(texts, pa.string())])
        counts: list[int] = self.encode(column).lengths.tolist()
        return counts

    def token(self, name: str, *, wanted_by: str) -> int:
        """The id of a token.

        Args:
          name: as the vocabulary has it.
          wanted_by: what the user wrote, for the message.

        Raises:
          UsageError: if the vocabulary has no such token.
        """
        found = self._reader.token_to_id(name)
        if found is None:
            known = ", ".join(self._special) or "none"
            raise UsageError(
                f"{wanted_by}: {self.path} has no token {name!r}. Its special tokens are: {known}."
            )
        return int(found)

    def end(self, *, wanted_by: str) -> int:
        """The id of the token that ends a text, found by its usual names.

        Args:
          wanted_by: how the user names another, for the message.

        Raises:
          UsageError: if there is none, or more than one.
        """
        found = [name for name in END_TOKENS if name in self._special]
        if len(found) != 1:
            known = ", ".join(self._special) or "none"
            what = f"several ({', '.join(found)})" if found else "none"
            raise UsageError(
                f"{self.path}: found {what} of the usual names of the token that ends a text. "
                f"Its special tokens are: {known}. Say which one it is with {wanted_by}."
            )
        return self._special[found[0]]


@lru_cache(maxsize=8)
def load_tokenizer(path: str) -> Tokenizer:
    """The tokenizer of a file; read once in a process.

    Args:
      path: local path or fsspec URL of a `tokenizer.json`.

    Raises:
      UsageError: if the file cannot be read or is something else.
    """
    try:
        with fsspec.open(path, "rb") as file:
            content: bytes = file.read()
    except OSError as error:
        raise UsageError(
            f"{path}: the tokenizer cannot be read: {error.strerror or error}. Expected the "
            "file tokenizer.json of a model."
        ) from error
    return Tokenizer(path, content)


def keep_tokenizer(store: Path, path: Path, *, sha256: str) -> None:
    """Copies a tokenizer into a store, where builds find it by its SHA-256.

    Raises:
      UsageError: if it is none, or no longer the file that it was.
    """
    kept = _kept(store, sha256)
    if kept.exists() and (not origin(store) or _published(store, kept)):
        return
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UsageError(f"{path}: the tokenizer has changed meanwhile. Run the command again.")
    Tokenizer(str(path), content)
    with atomic_output(str(kept)) as output:
        output.write(content)
    if origin(store):
        publish(store, kept.parent, [kept.name])


def kept_tokenizer(store: Path, *, sha256: str) -> Tokenizer:
    """A tokenizer that was kept in a store.

    Raises:
      StoreError: if it is not there, or damaged.
    """
    kept = _kept(store, sha256)
    with suppress(OSError):
        if origin(store) and not kept.exists():
            text = read_text(store, kept.parent, kept.name)
            with atomic_output(str(kept)) as output:
                output.write(text.encode())
    try:
        content = kept.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StoreError(f"{kept}: the tokenizer is missing or damaged. Run ingest again.")
    return load_tokenizer(str(kept))


def _published(store: Path, kept: Path) -> bool:
    """Whether the URL of a store has a tokenizer, for workers elsewhere."""
    try:
        return bool(read_text(store, kept.parent, kept.name))
    except OSError:
        return False


def _kept(store: Path, sha256: str) -> Path:
    return store / ".tokenizers" / f"{sha256}.json"


def as_lists(tokens: TokenLists) -> pa.Array:
    """Token lists as an Arrow column."""
    offsets = np.concatenate([[0], np.cumsum(tokens.lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(tokens.values), type=TOKEN_LIST)


def as_rows(matrix: Sequence[Any] | np.ndarray[Any, Any]) -> pa.Array:
    """The rows of a matrix of numbers as an Arrow column of lists."""
    rows = np.asarray(matrix, dtype=np.int32)
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(rows.reshape(-1)), type=TOKEN_LIST)


TOKEN_LIST = pa.list_(pa.field("element", pa.int32(), nullable=False))
"""The type of a column of token ids."""
