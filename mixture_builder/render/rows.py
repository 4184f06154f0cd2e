"""What rendering needs of a task's rows; the row store provides it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mixture_builder.draw import Bits, Indices


class Rows(Protocol):
    """The rows of one task, read by index."""

    @property
    def count(self) -> int:
        """How many rows there are."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the card's order."""
        ...

    @property
    def size(self) -> int:
        """About how many bytes all rows take."""
        ...

    def columns(self, names: Iterable[str], indices: Indices) -> dict[str, list[Any]]:
        """The values of some fields for rows in the order of `indices`."""
        ...

    def ids(self, indices: Indices) -> npt.NDArray[np.int64]:
        """The identities of rows."""
        ...

    def keys(self, name: str, indices: Indices) -> Bits:
        """For one field, a hash of its text without case, spacing and punctuation."""
        ...

    def forget(self) -> None:
        """Gives back memory that what was read so far takes."""
        ...
