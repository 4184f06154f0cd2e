"""Files of an export on their way: parts without a final name, then placed files with one.

How many files a split has is known only when all shards are written, and it stands in the
name of each. So workers write parts into the work folder of the export, and the last step
gives them their names: by moving each, or by joining them to one file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import fsspec

from mixture_builder.io.atomic import WrittenFile, atomic_output


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One file that a target has written for a shard.

    Attributes:
      series: which of the target's kinds of files it is; see `Target.layout`.
      split: `train` or `validation`.
      shard: of the mixture, from 0.
      file: path below the work folder.
      rows: examples (or packed sequences, or what the target counts) in the file.
      bytes: its size.
      sha256: of its bytes.
      facts: what the target wants to know of it in `finish`; plain data, small.
    """

    series: str
    split: str
    shard: int
    file: str
    rows: int
    bytes: int
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


class Parts:
    """Where a target puts the files of one shard.

    Attributes:
      written: the parts so far.
    """

    def __init__(self, *, work: str, shard: int, split: str) -> None:
        self.written: list[Part] = []
        self._work = work
        self._shard = shard
        self._split = split

    def add(
        self,
        series: str,
        write: Callable[[str], WrittenFile],
        *,
        facts: Mapping[str, Any] | None = None,
    ) -> WrittenFile:
        """Writes the next file of a series.

        Args:
          series: see `Target.layout`; letters that may stand in a file's name.
          write: given the place of the file, writes it whole or not at all, as the writers in
            `mixture_builder.io` do, and says what it wrote.
          facts: plain data about the file for `finish`; read after `write`, which may fill it.
        """
        number = sum(part.series == series for part in self.written)
        file = f"parts/{series}/{self._split}/{self._shard:05d}-{number:05d}"
        done = write(f"{self._work}/{file}")
        self.written.append(
            Part(
                series=series,
                split=self._split,
                shard=self._shard,
                file=file,
                rows=done.rows,
                bytes=done.bytes,
                sha256=done.sha256,
                facts=dict(facts or {}),
            )
        )
        return done


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedFile:
    """A file of the export under its final name.

    Attributes:
      file: path below the export's folder.
      series, split: as the parts it was made of; empty for what `finish` wrote.
      rows: of all its parts.
      parts: those that it was made of, in order.
    """

    file: str
    series: str = ""
    split: str = ""
    rows: int = 0
    bytes: int
    sha256: str
    parts: Sequence[Part] = ()


class Placed:
    """All files of an export, for the target's `finish`.

    Attributes:
      files: under their final names, series by series, in order; without empty ones.
      beside: parts that `layout` gave no name, in the order of the shards.
      report: what the target wants said of the export as a whole, as plain data for the
        manifest; the command line shows what of it is a text.
    """

    def __init__(
        self, *, out: str, work: str, files: Sequence[PlacedFile], beside: Sequence[Part]
    ) -> None:
        self.files: list[PlacedFile] = list(files)
        self.beside: tuple[Part, ...] = tuple(beside)
        self.report: dict[str, Any] = {}
        self._out = out
        self._work = work

    def of(self, series: str, split: str) -> list[PlacedFile]:
        """The files of one series and split, in order."""
        return [f for f in self.files if (f.series, f.split) == (series, split)]

    def read_beside(self, series: str, split: str) -> list[bytes]:
        """The bytes of the parts without a name of one series and split, in order."""
        found = []
        for part in self.beside:
            if (part.series, part.split) == (series, split):
                with fsspec.open(f"{self._work}/{part.file}", "rb") as file:
                    found.append(file.read())
        return found

    def add(self, file: str, write: Callable[[str], WrittenFile]) -> None:
        """Writes one more file under its final name.

        Args:
          file: path below the export's folder.
          write: given its place, writes it whole or not at all.
        """
        done = write(f"{self._out}/{file}")
        self.files.append(PlacedFile(file=file, bytes=done.bytes, sha256=done.sha256))

    def add_text(self, file: str, text: str) -> None:
        """Writes one more file of text."""

        def write(url: str) -> WrittenFile:
            with atomic_output(url) as output:
                output.write(text.encode("utf-8", "replace"))
                return output.written(0)

        self.add(file, write)
