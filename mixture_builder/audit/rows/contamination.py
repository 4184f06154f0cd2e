"""Rows that hold a held-out item, with the words that say so.

One task at a time, a stretch of rows at a time: memory depends on the stretch and on the index,
not on the number of rows. All fields of a row that hold texts are looked at, each by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.audit.rows.held_out import (
    EXACT,
    NEAR,
    SHORTEST_WHOLE,
    Grams,
    HeldOutIndex,
)
from mixture_builder.audit.rows.short_items import ShortItems, ShortMatch, find_short
from mixture_builder.audit.rows.words import Hashes, Places, Words, mixed, words_of
from mixture_builder.io.rowstore import ID
from mixture_builder.io.stored_rows import StoredRows

NEAR_SHARE = 0.5
"""Share of an item's runs of three words that makes a row a near copy of it."""

STRETCH_CHARS = 1_000_000
"""Characters of rows that are looked at together."""

SPANS = 5
"""Stretches of a row that are shown as evidence, the longest ones."""

EXCERPT = 200
"""Characters of a stretch that are shown."""

_STRENGTH = {"ngram": 2, "whole": 1, "near": 0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of a row that stands in a held-out item.

    Attributes:
      field: of the row.
      part: which text of a list; 0 otherwise.
      start, end: in characters of that text.
      text: the stretch, cut if it is long.
    """

    field: str
    part: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """A row that holds a held-out item.

    Attributes:
      row: identity.
      place: where upstream it stands.
      held_out, item: what it holds; of several the one of which most is there.
      rule: `ngram`, `whole` or `near`; see `held_out`.
      share: of the item's runs, how many stand in the row, from 0 to 1.
      items: how many items it holds.
      spans: the words that say so.
    """

    row: int
    place: str
    held_out: str
    item: str
    rule: str
    share: float
    items: int
    spans: tuple[Span, ...]

    def evidence(self) -> dict[str, Any]:
        """Plain data for a list of excluded rows."""
        plain = asdict(self)
        del plain["row"], plain["place"]
        return plain


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedTask:
    """What looking at one task gave.

    Attributes:
      rows: how many rows were looked at.
      overlaps: the rows that hold an item, in the order of the store.
    """

    task: str
    rows: int
    overlaps: tuple[Overlap, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Text:
    """Texts of a stretch of rows: each different one once.

    Attributes:
      texts: the different ones.
      rows: of each use, the number of the row in the stretch.
      which: of each use, the number of the text.
      fields, parts: of each use.
      lists: the fields that hold lists.
    """

    texts: list[str]
    rows: Places
    which: Places
    fields: list[str]
    parts: Places
    lists: frozenset[str]


def check_task(
    task: str, folder: Path, *, rows: int, index: HeldOutIndex, near_share: float = NEAR_SHARE
) -> CheckedTask:
    """Looks for held-out items in all rows of a stored task.

    Args:
      task: its id.
      folder: of the stored task.
      rows: how many it has.
      index: of the items.
      near_share: share of an item's runs from which a row is a near copy.

    Raises:
      StoreError: if the rows cannot be read.
    """
    stored = StoredRows(folder, expected_rows=rows)
    overlaps: list[Overlap] = []
    for first, batch in _stretches(stored):
        overlaps += _check(stored, first, batch, index, near_share)
    return CheckedTask(task=task, rows=rows, overlaps=tuple(overlaps))


def _stretches(stored: StoredRows) -> Iterator[tuple[int, pa.Table]]:
    waiting: list[pa.RecordBatch] = []
    held = rows = first = 0
    for block in stored.blocks():
        waiting.append(block)
        held += block.nbytes
        rows += block.num_rows
        if held >= STRETCH_CHARS:
            yield first, pa.Table.from_batches(waiting)
            first, waiting, held = rows, [], 0
    if waiting:
        yield first, pa.Table.from_batches(waiting)


def texts_of(batch: pa.Table, names: Sequence[str]) -> _Text:
    """The texts of some fields of rows; fields of other types than texts and lists are skipped."""
    texts: list[str] = []
    known: dict[str, int] = {}
    rows: list[Places] = []
    which: list[Places] = []
    parts: list[Places] = []
    fields: list[str] = []
    lists: set[str] = set()
    for name in names:
        column = batch.column(name).combine_chunks()
        if pa.types.is_list(column.type):
            owners = np.asarray(column.value_parent_indices(), dtype=np.int64)
            part = np.arange(len(owners)) - np.searchsorted(owners, owners, side="left")
            column = column.flatten()
            lists.add(name)
        elif pa.types.is_string(column.type):
            owners = np.arange(len(column), dtype=np.int64)
            part = np.zeros(len(column), dtype=np.int64)
        else:
            continue
        coded = column.dictionary_encode()
        numbers = []
        for text in coded.dictionary.to_pylist():
            number = known.setdefault(text, len(texts))
            if number == len(texts):
                texts.append(text)
            numbers.append(number)
        lookup = np.asarray(numbers, dtype=np.int64)
        rows.append(owners)
        which.append(lookup[np.asarray(coded.indices)] if len(lookup) else owners[:0])
        parts.append(part)
        fields += [name] * len(owners)
    none = np.zeros(0, dtype=np.int64)
    return _Text(
        texts=texts,
        rows=np.concatenate([none, *rows]),
        which=np.concatenate([none, *which]),
        fields=fields,
        lists=frozenset(lists),
        parts=np.concatenate([none, *parts]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hits:
    """Runs of words that stand in items.

    Attributes:
      places: number of the first word of each.
      texts: of each.
      grams: place of each in the index.
    """

    places: Places
    texts: Places
    grams: Places


def _find(grams: Grams, hashes: Hashes, places: Places, words: Words) -> _Hits:
    found, at = grams.find(hashes)
    return _Hits(places=places[found], texts=words.owners[places[found]], grams=at)


def _find_near(grams: Grams, words: Words) -> _Hits:
    """Runs of three words, and texts of fewer."""
    hashes, places = words.grams(NEAR)
    tiny = np.flatnonzero((words.counts > 0) & (words.counts < NEAR))
    hashes = np.concatenate([hashes, words.whole_of(tiny)])
    places = np.concatenate([places, words.firsts[:-1][tiny]])
    order = np.argsort(places, kind="stable")
    return _find(grams, hashes[order], places[order], words)


def _together(rows: int, used: _Text, words: Words, grams: Grams) -> tuple[Places, Places]:
    """Rows of which a field and a list are all texts of an item, and the item."""
    if not len(grams.hashes):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    whole = mixed(words.whole())[used.which]
    fields = np.asarray(used.fields)
    lists: dict[str, Hashes] = {}
    singles: dict[str, Hashes] = {}
    for name in dict.fromkeys(used.fields):
        here = fields == name
        sums = np.zeros(rows, dtype=np.uint64)
        np.add.at(sums, used.rows[here], whole[here])
        (lists if name in used.lists else singles)[name] = sums
    found_rows, found_items = [], []
    for single in singles.values():
        for several in lists.values():
            at_rows, at = grams.find(single + several)
            counts = grams.firsts[at + 1] - grams.firsts[at]
            found_rows.append(np.repeat(at_rows, counts))
            found_items.append(grams.items[_ranges(grams.firsts[:-1], counts, at, repeated=False)])
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *found_rows]), np.concatenate([none, *found_items])


def _check(
    stored: StoredRows, first: int, batch: pa.Table, index: HeldOutIndex, near_share: float
) -> list[Overlap]:
    found = overlaps_in(batch, stored.fields, index, near_share=near_share)
    if not found:
        return []
    ids = batch.column(ID).to_numpy()
    places = stored.places(np.asarray(list(found)) + first)
    return [
        replace(overlap, row=int(ids[row]), place=place)
        for (row, overlap), place in zip(found.items(), places, strict=True)
    ]


def overlaps_in(
    table: pa.Table,
    names: Sequence[str],
    index: HeldOutIndex,
    *,
    near_share: float = NEAR_SHARE,
) -> dict[int, Overlap]:
    """The rows of a table that hold held-out items, by their number in it, in order.

    Identities and places of rows are left to the caller, who knows what the rows are.

    Args:
      table: a million characters or so; memory is many times as much.
      names: columns that are looked at: texts, and lists of texts.
      index: of the items.
      near_share: share of an item's runs from which a row is a near copy.
    """
    used = texts_of(table, names)
    words = words_of(used.texts)
    exact = _find(index.exact, *words.grams(EXACT), words)
    near = _find_near(index.near, words)
    within = {n: _find(g, *words.grams(n), words) for n, g in index.within.items()}
    lengths = words.counts
    shorter = np.flatnonzero((lengths >= SHORTEST_WHOLE) & (lengths < EXACT))
    # Every text is shorter than its field only by what it is not: whole fields only.
    whole = _find(index.whole, words.whole()[shorter], words.firsts[:-1][shorter], words)
    by_text = np.argsort(used.which, kind="stable")
    bounds = np.searchsorted(used.which[by_text], np.arange(len(used.texts) + 1))

    def rows_with(hits: _Hits, grams: Grams) -> tuple[Places, Places, Places]:
        """Row, item and run of each hit, each combination once."""
        texts, at = _unique_pairs(hits.texts, hits.grams)
        uses_of = bounds[texts + 1] - bounds[texts]
        texts, at = np.repeat(texts, uses_of), np.repeat(at, uses_of)
        rows = used.rows[by_text[_ranges(bounds[:-1], uses_of, texts)]]
        rows, at = _unique_pairs(rows, at)
        items_of = grams.firsts[at + 1] - grams.firsts[at]
        numbers = grams.items[_ranges(grams.firsts[:-1], items_of, at, repeated=False)]
        return np.repeat(rows, items_of), numbers.astype(np.int64), np.repeat(at, items_of)

    candidates: dict[int, dict[int, tuple[str, float]]] = {}

    def add(rule: str, rows: Places, items: Places, shares: npt.NDArray[np.float64]) -> None:
        for row, item, share in zip(rows.tolist(), items.tolist(), shares.tolist(), strict=True):
            known = candidates.setdefault(row, {})
            told = (rule, min(share, 1.0))
            other = known.get(item)
            if other is None or _STRENGTH[rule] > _STRENGTH[other[0]]:
                known[item] = told

    rows, items, counts = _counted(*rows_with(near, index.near)[:2])
    shares = counts / np.maximum(index.near_sizes[items], 1)
    enough = shares >= near_share
    add("near", rows[enough], items[enough], shares[enough])
    for hits, grams in [(whole, index.whole), *((within[n], g) for n, g in index.within.items())]:
        rows, items, counts = _counted(*rows_with(hits, grams)[:2])
        add("whole", rows, items, np.ones(len(rows)))
    rows, items = _together(table.num_rows, used, words, index.together)
    add("whole", rows, items, np.ones(len(rows)))
    hits = _find(index.hints, *words.grams(NEAR), words)
    rows, items, counts = _counted(*rows_with(hits, index.hints)[:2])
    likely = counts >= index.fewest_hints[items]
    short = _short(index.short, used, words, rows[likely], items[likely])
    for rule, rows, items, told in _by_rule(short):
        add(rule, rows, items, told)
    rows, items, counts = _counted(*rows_with(exact, index.exact)[:2])
    add("ngram", rows, items, counts / np.maximum(index.exact_sizes[items], 1))
    if not candidates:
        return {}
    evidence = _Evidence(index, used, words, exact, near, whole, within, short)
    result = {}
    for row in sorted(candidates):
        found = candidates[row]
        best = max(
            found,
            key=lambda i: (_STRENGTH[found[i][0]] > 0, found[i][1], _STRENGTH[found[i][0]], -i),
        )
        rule, share = found[best]
        result[row] = Overlap(
            row=0,
            place="",
            held_out=index.sets[index.set_of[best]],
            item=index.items[best],
            rule=rule,
            share=round(share, 3),
            items=len(found),
            spans=evidence.spans(row, best, rule),
        )
    return result


def _by_rule(
    short: Mapping[tuple[int, int], ShortMatch],
) -> Iterator[tuple[str, Places, Places, npt.NDArray[np.float64]]]:
    """Rows, short items and how much of the question is there unchanged, by rule."""
    for rule in ("near", "whole"):
        told = [(p, m) for p, m in short.items() if bool(m.changes) == (rule == "near")]
        rows, items = np.asarray([pair for pair, _ in told], dtype=np.int64).reshape(-1, 2).T
        shares = [1 - match.changes / (match.end - match.begin) for _, match in told]
        yield rule, rows, items, np.asarray(shares)


def _short(
    items: ShortItems, used: _Text, words: Words, rows: Places, numbers: Places
) -> dict[tuple[int, int], ShortMatch]:
    """Rows that hold items with short questions, of those that share enough runs with one."""
    order = np.argsort(used.rows, kind="stable")
    bounds = np.searchsorted(used.rows[order], np.stack([rows, rows + 1]))
    found = {}
    for row, item, begin, end in zip(
        rows.tolist(), numbers.tolist(), *bounds.tolist(), strict=True
    ):
        uses = order[begin:end].tolist()
        texts = used.which[uses].tolist()
        match = find_short(
            items, item, [words.hashes[words.firsts[t] : words.firsts[t + 1]] for t in texts]
        )
        if match is not None:
            found[row, item] = replace(match, text=uses[match.text])
    return found


def _unique_pairs(first: Places, second: Places) -> tuple[Places, Places]:
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    new = np.ones(len(first), dtype=np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return first[new], second[new]


def _counted(first: Places, second: Places) -> tuple[Places, Places, Places]:
    """Pairs that are equal, and how many there are of each."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    new = np.ones(len(first), dtype=np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    starts = np.flatnonzero(new)
    return first[starts], second[starts], np.diff(np.append(starts, len(first)))


def _ranges(begins: Places, counts: Places, at: Places, *, repeated: bool = True) -> Places:
    """The numbers of the stretches that begin at `begins[at]` and have so many places each.

    With `repeated`, `at` has each stretch as often as it has places already.
    """
    total = int(counts.sum())
    ends = np.cumsum(counts)
    offsets = np.arange(total) - np.repeat(ends - counts, counts)
    return begins[at if repeated else np.repeat(at, counts)] + offsets


class _Evidence:
    """The words of rows that stand in items."""

    def __init__(
        self,
        index: HeldOutIndex,
        used: _Text,
        words: Words,
        exact: _Hits,
        near: _Hits,
        whole: _Hits,
        within: dict[int, _Hits],
        short: Mapping[tuple[int, int], ShortMatch],
    ) -> None:
        self._used, self._words = used, words
        self._uses = np.argsort(used.rows, kind="stable")
        self._rows = used.rows[self._uses]
        runs = [(index.exact, exact, EXACT), (index.near, near, NEAR)]
        runs += [(index.within[n], hits, n) for n, hits in within.items()]
        self._by_rule = {"ngram": runs[:1], "near": runs[1:2], "whole": [*runs[2:]]}
        self._whole = (index.whole, whole)
        self._short = short

    def spans(self, row: int, item: int, rule: str) -> tuple[Span, ...]:
        """The stretches of a row that stand in an item, the longest first."""
        begin, end = np.searchsorted(self._rows, [row, row + 1])
        found: list[Span] = []
        match = self._short.get((row, item))
        for use in self._uses[begin:end].tolist():
            text = int(self._used.which[use])
            if match is None:
                stretches = self._stretches(text, item, rule)
            else:
                stretches = [self._characters(text, match)] if match.text == use else []
            for start, stop in stretches:
                found.append(
                    Span(
                        field=self._used.fields[use],
                        part=int(self._used.parts[use]),
                        start=start,
                        end=stop,
                        text=self._used.texts[text][start:stop][:EXCERPT],
                    )
                )
        found.sort(key=lambda s: (s.start - s.end, s.field, s.part, s.start))
        return tuple(found[:SPANS])

    def _characters(self, text: int, match: ShortMatch) -> tuple[int, int]:
        first = int(self._words.firsts[text])
        start = self._words.starts[first + match.begin]
        return int(start), int(self._words.ends[first + match.end - 1])

    def _stretches(self, text: int, item: int, rule: str) -> list[tuple[int, int]]:
        """Runs of a text that belong to an item, joined where they touch."""
        words, runs = self._words, self._by_rule[rule]
        covered: list[tuple[int, int]] = []
        for grams, hits, length in runs:
            here = slice(*np.searchsorted(hits.texts, [text, text + 1]))
            for place, gram in zip(hits.places[here], hits.grams[here], strict=True):
                if item in grams.items[grams.firsts[gram] : grams.firsts[gram + 1]]:
                    end = min(int(place) + length, int(words.firsts[text + 1]))
                    covered.append((int(place), end))
        if rule == "whole":
            grams, hits = self._whole
            here = slice(*np.searchsorted(hits.texts, [text, text + 1]))
            for place, gram in zip(hits.places[here], hits.grams[here], strict=True):
                if item in grams.items[grams.firsts[gram] : grams.firsts[gram + 1]]:
                    covered.append((int(place), int(words.firsts[text + 1])))
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(covered):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return [(int(words.starts[b]), int(words.ends[e - 1])) for b, e in merged]
