"""Equal and nearly equal rows, within a task and across tasks, and which of them stay.

What a row says is its input and its target. Fields that its direct templates write as the target
are the target, all others are the input; which of them is called what, and in which order options
stand, does not matter. A field that is the same in all rows of a task, such as a definition, says
what the task is and is no part of the row. It counts where the target is a label, which at least
5 % of the task's rows have: `No` to another question is another answer.

- `duplicate`: input and target are equal, but for case and spacing.
- `near_duplicate`: the targets are equal, each field of the input has a counterpart that agrees
  with it by 0.8 or more (Jaccard similarity of runs of two words), and all numbers are the same.
- `other_target`: equal inputs with different targets. Nobody can say which is wrong, so these
  rows stay; they are counted and listed.

Of a cluster one row stays: that of the task that comes first, and of one task the row with the
smallest identity. Tasks over the same source share their rows by design: such a row is no
duplicate of the same row in a twin task, unless it is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from mixture_builder.audit.rows.signatures import (
    BANDS,
    band_keys,
    shingles,
    signatures,
    similarity,
)
from mixture_builder.audit.rows.words import Hashes, mixed, words_of
from mixture_builder.io.stored_rows import StoredRows

THRESHOLD = 0.8
"""Agreement of each field that makes near-duplicates: that of Lee et al. 2022 for documents."""

LABEL_SHARE, LABEL_ROWS = 0.05, 3
"""A target that so large a share of a task's rows has, and at least so many, is a label."""

_STRETCH = 1024
"""Rows whose texts are looked at together."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSource:
    """One task's rows, and which of their fields are what; small and picklable.

    Attributes:
      task: its id.
      folder: of the stored task.
      rows: how many.
      inputs, targets: fields.
      source: equal for tasks that read the same records.
      rank: place among tasks; rows of lower ranks stay.
    """

    task: str
    folder: Path
    rows: int
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    source: str
    rank: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One row of a cluster.

    Attributes:
      agreement: with the row that stays; 1 for equal rows.
    """

    task: str
    row: int
    place: str
    agreement: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Rows that say the same.

    Attributes:
      kind: `duplicate`, `near_duplicate` or `other_target`.
      kept: the row that stays.
      others: those that go, or for `other_target` stay as well; in the order of task and row.
    """

    kind: str
    kept: Member
    others: tuple[Member, ...]


def digest_rows(source: RowSource, folder: Path) -> None:
    """Writes the keys of a task's rows into a folder: `<rank>.exact.npy` and `<rank>.near.npy`.

    Raises:
      StoreError: if the rows cannot be read.
    """
    rows = StoredRows(source.folder, expected_rows=source.rows)
    inputs = _telling(rows, source.inputs)
    exact = np.zeros((source.rows, 3), dtype=np.uint64)
    near = np.zeros((source.rows, BANDS), dtype=np.uint64)
    for first in range(0, source.rows, _STRETCH):
        at = np.arange(first, min(first + _STRETCH, source.rows))
        texts = _Texts(rows, source, inputs, at)
        here = slice(first, first + len(at))
        exact[here, 0] = rows.ids(at).astype(np.uint64)
        exact[here, 1], exact[here, 2] = texts.input_keys(), texts.target_keys()
        near[here] = texts.bands()
    exact[:, 2] += _asked(rows, source, inputs, exact[:, 2])
    # Rows with other targets never share a bucket.
    near += exact[:, 2:3]
    np.save(folder / f"{source.rank}.exact.npy", exact)
    np.save(folder / f"{source.rank}.near.npy", near)


def _asked(rows: StoredRows, source: RowSource, inputs: Sequence[str], targets: Hashes) -> Hashes:
    """For rows whose target is a label, what the task asks; 0 for others."""
    said = [n for n in source.inputs if n not in inputs and n != "options"]
    if not said:
        return np.zeros(len(targets), dtype=np.uint64)
    first = np.zeros(1, dtype=np.int64)
    asked = mixed(np.asarray([sum(int(rows.keys(n, first)[0]) for n in said) % 2**64], np.uint64))
    _, inverse, counts = np.unique(targets, return_inverse=True, return_counts=True)
    label = counts[inverse] >= max(LABEL_ROWS, LABEL_SHARE * len(targets))
    return np.where(label, asked, np.uint64(0))


def _telling(rows: StoredRows, names: Sequence[str]) -> tuple[str, ...]:
    """Fields that are not the same in all rows."""
    every = np.arange(rows.count)
    telling = [n for n in names if len(np.unique(rows.keys(n, every))) > 1]
    return tuple(telling) or tuple(names)


def _as_texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return value
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value)]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


class _Texts:
    """The texts of some rows, by field."""

    def __init__(
        self, rows: StoredRows, source: RowSource, inputs: Sequence[str], at: npt.NDArray[np.int64]
    ) -> None:
        names = [*inputs, *source.targets]
        columns = rows.columns(dict.fromkeys(names), at)
        self._count = len(at)
        self._inputs = {n: list(map(_as_texts, columns[n])) for n in inputs if n != "answer_index"}
        self._targets: list[list[list[str]]] = []
        for name in source.targets:
            if name == "answer_index" and "options" in rows.fields:
                options = rows.columns(["options"], at)["options"]
                right = [[o[i]] for o, i in zip(options, columns[name], strict=True)]
                self._targets.append(right)
            else:
                self._targets.append(list(map(_as_texts, columns[name])))

    def input_keys(self) -> Hashes:
        return self._keys(list(self._inputs.values()))

    def target_keys(self) -> Hashes:
        return self._keys(self._targets)

    def _keys(self, columns: Sequence[Sequence[Sequence[str]]]) -> Hashes:
        """For each row a hash of its texts, whatever their order and the names of fields."""
        total = np.zeros(self._count, dtype=np.uint64)
        for column in columns:
            known: dict[tuple[str, ...], int] = {}
            keys = []
            for texts in column:
                key = known.get(tuple(texts))
                if key is None:
                    joined = "\x1f".join(sorted(map(_plain, texts)))
                    key = known[tuple(texts)] = (
                        xxhash.xxh3_64_intdigest(joined.encode("utf-8", "replace")) if joined else 0
                    )
                keys.append(key)
            values = np.asarray(keys, dtype=np.uint64)
            total += np.where(values == 0, np.uint64(0), mixed(values))
        return mixed(total)

    def shingles(self, row: int) -> list[npt.NDArray[np.uint32]]:
        """The shingles of each input field of one row; fields without words are skipped."""
        result = []
        for column in self._inputs.values():
            found, _ = shingles(words_of(column[row]))
            if len(found):
                result.append(found)
        return result

    def numbers(self, row: int) -> list[str]:
        """All numbers of the input of one row, in any order."""
        return sorted(
            n for c in self._inputs.values() for text in c[row] for n in _NUMBER.findall(text)
        )

    def bands(self) -> Hashes:
        """Keys of the bands of each row; rows with other numbers never share one."""
        joint: Any = None
        numbers = np.zeros(self._count, dtype=np.uint64)
        for column in self._inputs.values():
            different = list(dict.fromkeys("\n".join(texts) for texts in column))
            number_of = {text: n for n, text in enumerate(different)}
            which = np.asarray([number_of["\n".join(texts)] for texts in column])
            words = words_of(different)
            marks = signatures(words)[which].astype(np.uint64)
            # A field without words says nothing: it is as if it were not there.
            marks = np.where((words.counts[which] > 0)[:, None], mixed(marks), np.uint64(0))
            joint = marks if joint is None else joint + marks
            sums = [
                sum(xxhash.xxh3_64_intdigest(n.encode()) for n in _NUMBER.findall(text)) % 2**64
                for text in different
            ]
            numbers += np.asarray(sums, dtype=np.uint64)[which]
        if joint is None:
            return np.zeros((self._count, BANDS), dtype=np.uint64)
        return mixed(band_keys(joint) + numbers[:, None])


class RowKeys:
    """The keys of all tasks' rows, as `digest_rows` wrote them.

    Rows are numbered through all tasks in the order of rank and store. Memory is about 60 bytes a
    row; the keys of bands stay in their files and are taken a band at a time.
    """

    def __init__(self, sources: Sequence[RowSource], folder: Path) -> None:
        self.sources = sorted(sources, key=lambda s: s.rank)
        self._folder = folder
        self.firsts = np.cumsum([0, *(s.rows for s in self.sources)])
        parts = [np.load(folder / f"{s.rank}.exact.npy") for s in self.sources]
        exact = np.concatenate([np.zeros((0, 3), dtype=np.uint64), *parts])
        self.ids = exact[:, 0].astype(np.int64)
        self.inputs, self.targets = exact[:, 1].copy(), exact[:, 2].copy()
        names = {s.source: n for n, s in enumerate(self.sources)}
        self.owner = np.repeat(np.arange(len(self.sources)), np.diff(self.firsts))
        self.family = np.asarray([names[s.source] for s in self.sources], dtype=np.int64)[
            self.owner
        ]

    def band(self, number: int) -> Hashes:
        """The key of one band of all rows."""
        parts = [
            np.load(self._folder / f"{s.rank}.near.npy", mmap_mode="r")[:, number]
            for s in self.sources
        ]
        return np.concatenate([np.zeros(0, dtype=np.uint64), *parts])

    def order(self) -> npt.NDArray[np.int64]:
        """All rows, those that stay before those that go."""
        return np.lexsort((self.ids, self.owner))


def _groups(keys: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """Rows with equal keys, two or more, each group in the order of `rows`."""
    order = np.argsort(keys[rows], kind="stable")
    ordered = keys[rows][order]
    if not len(rows):
        return
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ends = np.append(starts[1:], len(rows))
    for begin, end in zip(starts, ends, strict=True):
        if end - begin > 1:
            yield rows[order[begin:end]].tolist()


def find_clusters(keys: RowKeys, *, near: bool, twins: bool) -> list[Cluster]:
    """All clusters, in the order of the rows that stay.

    Args:
      keys: of all rows.
      near: whether near-duplicates are looked for.
      twins: whether rows of tasks over the same source are compared.

    Raises:
      StoreError: if rows cannot be read again.
    """
    look = _Rows(keys)
    order = keys.order()
    found: list[tuple[str, list[tuple[int, float]]]] = []
    goes = np.zeros(len(keys.ids), dtype=np.bool_)
    for group in _groups(mixed(keys.inputs) + keys.targets, order):
        kept = group[0]
        others = [r for r in group[1:] if twins or not _twins(keys, kept, r)]
        if others:
            goes[others] = True
            found.append(("duplicate", [(kept, 1.0), *((r, 1.0) for r in others)]))
    for group in _groups(keys.inputs, order[~goes[order]]):
        by_target = {int(keys.targets[r]): r for r in reversed(group)}
        first = [r for r in group if by_target[int(keys.targets[r])] == r]
        others = [r for r in first[1:] if twins or not _twins(keys, first[0], r)]
        if others:
            found.append(("other_target", [(first[0], 1.0), *((r, 1.0) for r in others)]))
    if near:
        found += _near(keys, look, order[~goes[order]], twins=twins)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    found.sort(key=lambda f: (int(place[f[1][0][0]]), f[0]))
    members = look.members([row for _, rows in found for row in rows])
    return [
        Cluster(
            kind=kind,
            kept=members[rows[0][0], 1.0],
            others=tuple(members[row] for row in sorted(rows[1:], key=lambda r: int(place[r[0]]))),
        )
        for kind, rows in found
    ]


def _twins(keys: RowKeys, one: int, other: int) -> bool:
    return bool(keys.family[one] == keys.family[other] and keys.owner[one] != keys.owner[other])


def _near(
    keys: RowKeys, look: _Rows, rows: npt.NDArray[np.int64], *, twins: bool
) -> list[tuple[str, list[tuple[int, float]]]]:
    """Clusters around rows that stay: each other row agrees with the row that stays itself."""
    pairs: set[tuple[int, int]] = set()
    for band in range(BANDS):
        for group in _groups(keys.band(band), rows):
            kept = group[0]
            pairs.update(
                (kept, other) for other in group[1:] if (twins or not _twins(keys, kept, other))
            )
    agreements = look.agreements(sorted(pairs))
    place = {row: n for n, row in enumerate(rows.tolist())}
    gone: set[int] = set()
    clusters: dict[int, list[tuple[int, float]]] = {}
    # In this order it is known of each row whether it stays before others go because of it.
    for kept, other in sorted(pairs, key=lambda p: (place[p[0]], place[p[1]])):
        agreement = agreements[kept, other]
        if agreement >= THRESHOLD and kept not in gone and other not in gone:
            gone.add(other)
            clusters.setdefault(kept, [(kept, 1.0)]).append((other, round(agreement, 3)))
    return [("near_duplicate", members) for members in clusters.values()]


class _Rows:
    """Rows read again, to compare them and to say where they stand."""

    def __init__(self, keys: RowKeys) -> None:
        self._keys = keys

    def _by_task(self, rows: Sequence[int]) -> Iterator[tuple[RowSource, StoredRows, Any]]:
        numbers = np.unique(np.asarray(rows, dtype=np.int64))
        owners = self._keys.owner[numbers]
        for task in np.unique(owners).tolist():
            source = self._keys.sources[task]
            stored = StoredRows(source.folder, expected_rows=source.rows)
            yield source, stored, numbers[owners == task]

    def members(self, rows: Sequence[tuple[int, float]]) -> dict[tuple[int, float], Member]:
        agreements: dict[int, set[float]] = {}
        for row, agreement in rows:
            agreements.setdefault(row, set()).add(agreement)
        result = {}
        for source, stored, numbers in self._by_task(list(agreements)):
            places = stored.places(numbers - self._keys.firsts[source.rank])
            for number, place in zip(numbers.tolist(), places, strict=True):
                for agreement in agreements[number]:
                    result[number, agreement] = Member(
                        task=source.task,
                        row=int(self._keys.ids[number]),
                        place=place,
                        agreement=agreement,
                    )
        return result

    def agreements(self, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], float]:
        """For each pair the agreement of the fields that agree least; 0 if none can be paired."""
        texts: dict[int, tuple[list[npt.NDArray[np.uint32]], list[str]]] = {}
        for source, stored, numbers in self._by_task([row for pair in pairs for row in pair]):
            inputs = _telling(stored, source.inputs)
            for first in range(0, len(numbers), _STRETCH):
                part = numbers[first : first + _STRETCH]
                at = part - self._keys.firsts[source.rank]
                read = _Texts(stored, source, inputs, at)
                for n, number in enumerate(part.tolist()):
                    texts[number] = (read.shingles(n), read.numbers(n))
        result = {}
        for one, other in pairs:
            same = self._keys.targets[one] == self._keys.targets[other]
            agreement = _agreement(texts[one], texts[other]) if same else 0.0
            result[one, other] = agreement
        return result


def _agreement(
    one: tuple[list[npt.NDArray[np.uint32]], list[str]],
    other: tuple[list[npt.NDArray[np.uint32]], list[str]],
) -> float:
    """Fields are paired one to one, the longest first, each with the one that agrees most."""
    if one[1] != other[1] or len(one[0]) != len(other[0]) or not one[0]:
        return 0.0
    left = list(other[0])
    least = 1.0
    for field in sorted(one[0], key=len, reverse=True):
        shares = [similarity(field, candidate) for candidate in left]
        best = int(np.argmax(shares))
        least = min(least, shares[best])
        left.pop(best)
    return least


def fields_of(
    names: Sequence[str], target_names: frozenset[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which fields of a card are input and which are target.

    Args:
      names: of the card's fields.
      target_names: names that the targets of its direct templates read.

    >>> fields_of(["question", "options", "answer_index"], frozenset(["answer"]))
    (('question', 'options'), ('answer_index',))
    """
    targets = target_names & set(names)
    if target_names & {"answer", "answer_text"}:
        targets |= {"answer_index", "answers"} & set(names)
    # Options are what is asked about, whichever of them is right.
    targets -= {"options"}
    inputs = [n for n in names if n not in targets and n != "answer_index"]
    return tuple(inputs), tuple(n for n in names if n in targets)
