"""Held-out items as an index: which n-grams they have, and which item each belongs to.

Three ways of being in a row, each with an index of its own:

- `ngram`: a run of 13 words of the item stands in the row. 13 words are what the GPT-3 paper
  (Brown et al. 2020, appendix C) takes for an overlap with a benchmark.
- `whole`: a text of the item is shorter than 13 words, and all of it stands in the row: within a
  field if it has 8 words or more, which is the shortest n that paper uses; as a whole field if it
  has at least 3. An item of several texts, such as a question and its options, is also whole
  where they are a field and a list of the row, in any order. Other short items are in too many
  rows to mean anything; they are counted.
- `near`: at least half of the item's runs of 3 words stand in the row, in whatever order. It
  finds copies with words changed or options in another order. A text of one or two words counts
  as a run where it is a whole field or part of a list.

Items that have fewer than 10 such runs are looked for word by word: `short_items` says how. Found
without a change they are `whole`, with one they are `near`.

An n-gram that many items share, such as the instruction of a benchmark, tells nothing about any
of them: it counts only for items that have no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mixture_builder.audit.rows.short_items import ShortItems, changes_allowed, short_items
from mixture_builder.audit.rows.words import Hashes, Places, Words, mixed, words_of

EXACT = 13
"""Words of a run that is an overlap."""

SHORTEST_WITHIN = 8
"""Words that a shorter text needs to count where it stands among other words."""

SHORTEST_WHOLE = 3
"""Words that a text needs to count where it is a whole field."""

NEAR = 3
"""Words of a run for near copies."""

COMMON = 10
"""A run that more items than this share is boilerplate: as in the GPT-3 paper, where it is
documents that are counted."""

SKETCH = 128
"""Runs of an item that are looked up for near copies: those of the smallest hashes, an unbiased
sample (Broder 1997). It bounds the memory of long items."""

FEWEST = 10
"""Runs that an item needs so that a share of them says something."""

BATCH_CHARS = 1_000_000
"""Characters whose words are found at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutItem:
    """One item of a held-out set.

    Attributes:
      held_out: the set it belongs to.
      item: how it is found again: the place in its source.
      texts: those that are looked for, such as a question and its options; never the answer.
    """

    held_out: str
    item: str
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grams:
    """Sorted hashes and the items they belong to.

    Attributes:
      hashes: sorted, each once.
      firsts: where the items of each begin in `items`, and at the end how many there are.
      items: numbers of items.
      filter_: a table of bits, as bytes: false where no hash can be. Looking there first spares
        most of the searching.
    """

    hashes: Hashes
    firsts: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    filter_: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, hashes: Hashes, items: npt.NDArray[np.int32]) -> Grams:
        """The index of pairs of hash and item; equal pairs are given once."""
        order = np.lexsort((items, hashes))
        hashes, items = hashes[order], items[order]
        new = np.ones(len(hashes), dtype=np.bool_)
        new[1:] = hashes[1:] != hashes[:-1]
        bits = min(max(int(np.ceil(np.log2(max(len(hashes), 1)))) + 4, 12), 27)
        table = np.zeros(1 << bits, dtype=np.bool_)
        table[(hashes >> np.uint64(64 - bits)).astype(np.int64)] = True
        starts = np.flatnonzero(new)
        return cls(
            hashes=hashes[starts],
            firsts=np.append(starts, len(hashes)).astype(np.int64),
            items=items,
            filter_=table,
        )

    def find(self, hashes: Hashes) -> tuple[Places, Places]:
        """Which of some hashes are in the index: their places there and in the index."""
        bits = len(self.filter_).bit_length() - 1
        maybe = np.flatnonzero(self.filter_[(hashes >> np.uint64(64 - bits)).astype(np.int64)])
        if not len(maybe) or not len(self.hashes):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        at = np.searchsorted(self.hashes, hashes[maybe])
        at[at == len(self.hashes)] = 0
        hit = self.hashes[at] == hashes[maybe]
        return maybe[hit], at[hit]

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        return sum(getattr(self, f.name).nbytes for f in fields(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutIndex:
    """All items, ready to be looked for.

    Attributes:
      sets: names of the sets, sorted; `set_of` gives the number of each item's.
      items: how each item is found again.
      exact: runs of 13 words.
      within: whole texts of 8 to 12 words, by their number of words.
      whole: whole texts of 3 to 12 words.
      together: all texts of an item at once, for items of several.
      near: runs of 3 words; `near_sizes` says how many each item has in it.
      exact_sizes: how many runs of 13 words each item has in `exact`.
      short: items with a short question; `hints` are their runs of 3 words, and
        `fewest_hints` says how many of an item's are left where as much is changed as is allowed.
      unchecked: items of each set that are too short to be looked for in any way.
      not_near: items of each set that have too few runs of their own for near copies.
    """

    sets: tuple[str, ...]
    set_of: npt.NDArray[np.int32]
    items: tuple[str, ...]
    exact: Grams
    exact_sizes: npt.NDArray[np.int32]
    within: Mapping[int, Grams]
    whole: Grams
    together: Grams
    near: Grams
    near_sizes: npt.NDArray[np.int32]
    short: ShortItems
    hints: Grams
    fewest_hints: npt.NDArray[np.int32]
    unchecked: Mapping[str, int]
    not_near: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        grams = [
            self.exact,
            self.whole,
            self.together,
            self.near,
            self.hints,
            *self.within.values(),
        ]
        sizes = self.set_of.nbytes + self.exact_sizes.nbytes + self.near_sizes.nbytes
        sizes += self.fewest_hints.nbytes
        return sum(g.bytes for g in grams) + sizes + self.short.bytes


def build_index(items: Iterable[HeldOutItem]) -> HeldOutIndex:
    """The index of items, read one after another.

    The same items give the same index in any order but for their numbers: `items` are numbered
    as they come.
    """
    names: list[str] = []
    sets: list[str] = []
    exact: list[Pairs] = []
    near: list[Pairs] = []
    together: list[Pairs] = []
    by_words: dict[int, list[Pairs]] = {}
    short: list[ShortItems] = []
    hints: list[Pairs] = []
    for batch in _batches(items):
        begin = len(names)
        names += [item.item for item in batch]
        sets += [item.held_out for item in batch]
        texts = [text for item in batch for text in item.texts]
        counts = [len(item.texts) for item in batch]
        owners = np.repeat(np.arange(begin, begin + len(batch)), counts).astype(np.int32)
        words = words_of(texts)
        exact.append(_grams(words, EXACT, owners))
        whole = words.whole()
        runs = _grams(words, NEAR, owners)
        tiny = np.flatnonzero((words.counts > 0) & (words.counts < NEAR))
        near += [runs, _each_once(whole[tiny], owners[tiny])]
        short.append(short_items(texts, words, counts))
        known = np.diff(short[-1].items)[runs[1] - begin] > 0
        hints.append((runs[0][known], runs[1][known]))
        several = np.flatnonzero(np.asarray(counts) > 1)
        sums = np.zeros(len(batch), dtype=np.uint64)
        np.add.at(sums, owners - begin, mixed(whole))
        together.append((sums[several], (several + begin).astype(np.int32)))
        for length in range(SHORTEST_WHOLE, EXACT):
            these = np.flatnonzero(words.counts == length)
            # Only first texts: an option alone is no item.
            these = these[(these == 0) | (owners[these] != owners[these - 1])]
            by_words.setdefault(length, []).append((whole[these], owners[these]))
    total = len(names)
    found = np.zeros(total, dtype=np.bool_)
    distinct = sorted(set(sets))
    number = {name: n for n, name in enumerate(distinct)}
    set_of = np.asarray([number[s] for s in sets], dtype=np.int32)
    exact_pairs = _without_common(*_joined(exact), total=total, fewest=1)
    near_pairs = _sketched(*_without_common(*_joined(near), total=total, fewest=FEWEST))
    by_length = {length: _joined(pairs) for length, pairs in sorted(by_words.items())}
    within = {
        length: Grams.of(*pairs)
        for length, pairs in by_length.items()
        if length >= SHORTEST_WITHIN and len(pairs[0])
    }
    together_pairs = _joined(together)
    hint_pairs = _without_common(*_joined(hints), total=total, fewest=0)
    for pairs in (exact_pairs, together_pairs, hint_pairs, *by_length.values()):
        found[pairs[1]] = True
    hinted = np.zeros(total, dtype=np.bool_)
    hinted[hint_pairs[1]] = True
    near_sizes = np.bincount(near_pairs[1], minlength=total).astype(np.int32)
    enough = near_sizes >= FEWEST
    near_pairs = tuple(a[enough[near_pairs[1]]] for a in near_pairs)  # type: ignore[assignment]
    known_short = ShortItems.of(short)
    return HeldOutIndex(
        sets=tuple(distinct),
        set_of=set_of,
        items=tuple(names),
        exact=Grams.of(*exact_pairs),
        exact_sizes=np.bincount(exact_pairs[1], minlength=total).astype(np.int32),
        within=within,
        whole=Grams.of(*_joined(list(by_length.values()))),
        together=Grams.of(*together_pairs),
        near=Grams.of(*near_pairs),
        near_sizes=near_sizes,
        short=known_short,
        fewest_hints=_fewest_hints(known_short, hint_pairs[1]),
        hints=Grams.of(*hint_pairs),
        unchecked=_counts(distinct, set_of[~(found | enough)]),
        not_near=_counts(distinct, set_of[~(enough | hinted)]),
    )


def _fewest_hints(short: ShortItems, items: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Runs of each item that are left after as many changes as are allowed; at least one."""
    hints = np.bincount(items, minlength=len(short.items) - 1)
    there = np.flatnonzero(np.diff(short.items))
    changes = np.zeros(len(hints), dtype=np.int64)
    questions = short.items[there]
    changes[there] = changes_allowed(short.texts[questions + 1] - short.texts[questions])
    fewest: npt.NDArray[np.int32] = np.maximum(hints - NEAR * changes, 1).astype(np.int32)
    return fewest


Pairs = tuple[Hashes, npt.NDArray[np.int32]]
"""Hashes, and the item each belongs to."""


def _batches(items: Iterable[HeldOutItem]) -> Iterator[list[HeldOutItem]]:
    batch: list[HeldOutItem] = []
    held = 0
    for item in items:
        batch.append(item)
        held += sum(map(len, item.texts))
        if held >= BATCH_CHARS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _grams(words: Words, n: int, owners: npt.NDArray[np.int32]) -> Pairs:
    """The runs of `n` words of each item, each once."""
    hashes, places = words.grams(n)
    return _each_once(hashes, owners[words.owners[places]])


def _each_once(hashes: Hashes, items: npt.NDArray[np.int32]) -> Pairs:
    order = np.lexsort((hashes, items))
    hashes, items = hashes[order], items[order]
    new = np.ones(len(hashes), dtype=np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (items[1:] != items[:-1])
    return hashes[new], items[new]


def _joined(pairs: Sequence[Pairs]) -> Pairs:
    if not pairs:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int32)
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _without_common(
    hashes: Hashes, items: npt.NDArray[np.int32], *, total: int, fewest: int
) -> Pairs:
    """Without runs that many items share, but for items that would have too few left."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    new = np.ones(len(ordered), dtype=np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    group = np.cumsum(new) - 1
    sizes = np.bincount(group) if len(group) else np.zeros(0, dtype=np.int64)
    common = np.zeros(len(hashes), dtype=np.bool_)
    common[order] = sizes[group] > COMMON
    left = np.bincount(items[~common], minlength=total)
    kept = ~common | (left[items] < fewest)
    return hashes[kept], items[kept]


def _sketched(hashes: Hashes, items: npt.NDArray[np.int32]) -> Pairs:
    order = np.lexsort((hashes, items))
    hashes, items = hashes[order], items[order]
    starts = np.searchsorted(items, items, side="left")
    kept = np.arange(len(items)) - starts < SKETCH
    return hashes[kept], items[kept]


def _counts(sets: Sequence[str], numbers: npt.NDArray[np.int32]) -> dict[str, int]:
    counts = np.bincount(numbers, minlength=len(sets)).tolist()
    return {name: count for name, count in zip(sets, counts, strict=True) if count}


def save_index(index: HeldOutIndex, folder: Path) -> None:
    """Writes an index so that workers share its memory: each array a file."""
    import json

    plain = {
        "sets": index.sets,
        "items": index.items,
        "within": list(index.within),
        "unchecked": dict(index.unchecked),
        "not_near": dict(index.not_near),
    }
    (folder / "index.json").write_text(json.dumps(plain), encoding="utf-8")
    for name in ("set_of", "exact_sizes", "near_sizes", "fewest_hints"):
        np.save(folder / f"{name}.npy", getattr(index, name))
    for f in fields(ShortItems):
        np.save(folder / f"short.{f.name}.npy", getattr(index.short, f.name))
    names = ("exact", "whole", "together", "near", "hints")
    grams: dict[str, Grams] = {name: getattr(index, name) for name in names}
    for name, each in {**grams, **{f"within{n}": g for n, g in index.within.items()}}.items():
        for f in fields(each):
            np.save(folder / f"{name}.{f.name}.npy", getattr(each, f.name))


def load_index(folder: Path) -> HeldOutIndex:
    """The index that `save_index` wrote, as memory maps."""
    import json

    plain = json.loads((folder / "index.json").read_text(encoding="utf-8"))

    def array(name: str) -> npt.NDArray[np.generic]:
        path = folder / f"{name}.npy"
        loaded: npt.NDArray[np.generic] = np.load(path)
        # An empty file cannot be mapped.
        if loaded.size:
            loaded = np.load(path, mmap_mode="r")
        return loaded

    def grams(name: str) -> Grams:
        arrays: dict[str, object] = {f.name: array(f"{name}.{f.name}") for f in fields(Grams)}
        return Grams(**arrays)  # type: ignore[arg-type]

    short: dict[str, object] = {f.name: array(f"short.{f.name}") for f in fields(ShortItems)}
    sizes: dict[str, object] = {
        name: array(name) for name in ("set_of", "exact_sizes", "near_sizes", "fewest_hints")
    }
    return HeldOutIndex(
        sets=tuple(plain["sets"]),
        items=tuple(plain["items"]),
        exact=grams("exact"),
        within={n: grams(f"within{n}") for n in plain["within"]},
        whole=grams("whole"),
        together=grams("together"),
        near=grams("near"),
        hints=grams("hints"),
        short=ShortItems(**short),  # type: ignore[arg-type]
        unchecked=plain["unchecked"],
        not_near=plain["not_near"],
        **sizes,  # type: ignore[arg-type]
    )
