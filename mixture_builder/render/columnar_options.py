"""Lists of answer options laid out by Arrow kernels; letter for letter those of `styles.listed`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, order_of, random_bits, runs_of
from mixture_builder.render.columnar_styles import ExemplarPieces
from mixture_builder.render.row_columns import DrawColumn, RowColumns
from mixture_builder.render.text_arrays import (
    extents_of,
    last_bytes,
    lay_down,
    offsets_of,
    one_array,
    taken,
)
from mixture_builder.style_pools import PREPARED, StylePools
from mixture_builder.styles import SENTENCE_ENDS

_LAST_OF_MARK = np.zeros(256, dtype=bool)
_LAST_OF_MARK[[mark.encode()[-1] for mark in SENTENCE_ENDS]] = True


class OptionPieces:
    """Texts before, between and after options, as Arrow arrays to take from; exemplar styles too.

    Args:
      pools: all styles.
    """

    def __init__(self, pools: StylePools) -> None:
        styles = pools.styles
        self.pools = pools
        self.exemplars = ExemplarPieces(pools)
        leads, items = styles.option_lead_ins, styles.option_items
        endings, separators = styles.option_endings, styles.option_separators
        # Before the first option stand the lead-in and its prefix, before each further one
        # the ending of the one before, the separator and its prefix.
        self.first = pa.array(
            [
                lead.text + _prefix(pools, item.id, 0, separator.text).lstrip("\n")
                for lead in leads
                for item in items
                for separator in separators
            ],
            pa.string(),
        )
        self.further = pa.array(
            [
                ending + separator.text + _prefix(pools, item.id, at, separator.text)
                for ending in [e.text for e in endings] + [""]
                for separator in separators
                for item in items
                for at in range(PREPARED)
            ],
            pa.string(),
        )
        self.endings = pa.array([e.text for e in endings] + [""], pa.string())
        self.labels = pa.array(
            [label for item in items for label in (pools.labels[item.id] or [""] * PREPARED)],
            pa.string(),
        )
        self.enumerates = np.asarray([bool(item.enumerate) for item in items])
        self.ids = pa.array(
            [
                f"options={lead.id}/{item.id}/{ending.id}"
                + (f"/{separator.id}" if separator.inline else "")
                for lead in leads
                for item in items
                for ending in endings
                for separator in separators
            ]
            + [""],
            pa.string(),
        )
        self.sizes = (len(leads), len(items), len(endings), len(separators))
        # All that stands around options: the codes of `further`, `first` and `endings` in a row.
        self.around = pa.concat_arrays([self.further, self.first, self.endings])
        any_label = sorted(set().union(*pools.bare_labels))
        self.any_label = pa.array(any_label, pa.string())
        self.longest_label = max((len(label.encode()) for label in any_label), default=0)


def _prefix(pools: StylePools, item: str, at: int, separator: str) -> str:
    prefix = pools.prefixes[item][at]
    # As in `styles.listed`: indentation is for lines of their own.
    return prefix if "\n" in separator else prefix.lstrip()


def in_listed_order(
    rows: RowColumns,
    *,
    order_seed: int,
    draws: Indices,
    shuffled: bool,
) -> tuple[pa.ListArray, npt.NDArray[np.int64]]:
    """Options in the order in which they are listed, and where the right one stands.

    Args:
      rows: with `options` and `answer_index`.
      order_seed: seed of the orders in which options are listed.
      draws: what each order belongs to.
      shuffled: whether options are shuffled.
    """
    right = rows.arrays["answer_index"].to_numpy()[rows.at]
    if not shuffled:
        return rows.taken("options"), right
    firsts, every = extents_of(rows.arrays["options"])
    lengths = every[rows.at]
    ends = np.cumsum(lengths)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = _shuffle(order_seed, draws, lengths)
    at = np.arange(len(order)) - (ends - lengths)[owner]
    chosen = pa.array(firsts[rows.at][owner] + order)
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    flat = rows.arrays["options"].flatten()
    return pa.ListArray.from_arrays(offsets, taken(flat, chosen)), at[order == right[owner]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedColumns:
    """Options of draws as columns.

    Attributes:
      texts: the lists that are shown.
      answers: the right options.
      targets: what stands for them: their labels, where options are enumerated.
      styles: names of the styles; empty where nothing is shown.
      numbers: of the styles; -1 where nothing is shown.
    """

    texts: DrawColumn
    answers: DrawColumn
    targets: pa.Array
    styles: pa.Array
    numbers: Indices


def unambiguous(pieces: OptionPieces, rows: RowColumns, numbers: Indices) -> Indices:
    """Style numbers whose labels are no options; see `StylePools.unambiguous`.

    Args:
      pieces: of all styles.
      rows: with `options`.
      numbers: of the option styles; -1 stays what it is.
    """
    options = rows.arrays["options"]
    flat = options.flatten()
    ends = offsets_of(flat)
    like_labels = np.zeros(len(flat), dtype=bool)
    # Labels are short, and most options are not.
    short = np.flatnonzero(ends[1:] - ends[:-1] <= pieces.longest_label)
    if not len(short):
        return numbers
    found = pc.is_in(flat.take(pa.array(short)), value_set=pieces.any_label)
    like_labels[short] = found.to_numpy(zero_copy_only=False)
    alike = _any_of_list(like_labels, extents_of(options)[1])
    doubtful = np.flatnonzero(alike[rows.at] & (numbers >= 0))
    if not len(doubtful):
        return numbers
    result: Indices = numbers.copy()
    lists = options.take(pa.array(rows.at[doubtful])).to_pylist()
    for place, texts in zip(doubtful.tolist(), lists, strict=True):
        result[place] = pieces.pools.unambiguous(int(numbers[place]), texts)
    return result


def list_options(
    pieces: OptionPieces,
    rows: RowColumns,
    *,
    numbers: Indices,
    order_seed: int,
    draws: Indices,
    shuffled: bool,
) -> ListedColumns:
    """Lays out the options of draws; see `styles.listed`.

    Args:
      pieces: of all styles.
      rows: with `options` and `answer_index`.
      numbers: of the option styles; -1 where the list is not shown.
      order_seed: seed of the orders in which options are listed.
      draws: what each order belongs to.
      shuffled: whether options are shuffled.
    """
    firsts, every = extents_of(rows.arrays["options"])
    flat = rows.arrays["options"].flatten()
    right = rows.arrays["answer_index"].to_numpy()[rows.at]
    answers = firsts[rows.at] + right
    shown = np.flatnonzero(numbers >= 0)
    places = np.full(len(numbers), len(shown))
    places[shown] = np.arange(len(shown))
    # From here on all is of the lists that are shown.
    there = rows.at[shown]
    lengths = every[there]
    ends = np.cumsum(lengths)
    starts = ends - lengths
    owner = np.repeat(np.arange(len(shown)), lengths)
    at = np.arange(len(owner)) - starts[owner]
    order, right_at = at, right[shown]
    if shuffled:
        order = _shuffle(order_seed, draws[shown], lengths)
        right_at = at[order == right_at[owner]]
    leads, items, endings, separators = pieces.sizes
    rest, lead = np.divmod(numbers[shown], leads)
    rest, item = np.divmod(rest, items)
    rest, ending = np.divmod(rest, endings)
    separator = pieces.pools.separator_indices(rest, ending)
    # No ending after options of which one ends with a mark of its own.
    marked = _any_of_list(_end_sentences(flat), every)
    shown_ending = np.where(marked[there], endings, ending)
    further = ((shown_ending * separators + separator) * items + item) * PREPARED
    before = len(pieces.further) + (lead * items + item) * separators + separator
    # A list is its options, each with what stands before it, and its ending; after the last list
    # stands the empty one.
    counts = np.concatenate([2 * lengths + 1, [0]])
    found = np.empty(int(counts.sum()), dtype=np.int64)
    slot = owner + 2 * np.arange(len(owner))
    found[slot] = np.where(at == 0, before[owner], further[owner] + at)
    found[slot + 1] = len(pieces.around) + (firsts[there][owner] + order)
    found[2 * ends + np.arange(len(shown))] = len(pieces.further) + len(pieces.first) + shown_ending
    texts, _ = lay_down(one_array([pieces.around, flat]), found, counts)
    labels = len(pieces.labels) + answers
    enumerated = pieces.enumerates[item]
    labels[shown[enumerated]] = (item * PREPARED + right_at)[enumerated]
    codes = np.full(len(numbers), len(pieces.ids) - 1)
    codes[shown] = ((lead * items + item) * endings + ending) * separators + separator
    return ListedColumns(
        texts=DrawColumn(values=texts, at=places),
        # Not read from the rows: these hold all options, several times as much.
        answers=DrawColumn(values=taken(flat, pa.array(answers))),
        targets=taken(one_array([pieces.labels, flat]), pa.array(labels)),
        styles=pieces.ids.take(pa.array(codes)),
        numbers=numbers,
    )


@cache
def _marks() -> pa.Array:
    # Made when it is asked for: the first array that a process makes may import pandas.
    return pa.array(sorted(SENTENCE_ENDS), pa.string())


def _end_sentences(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Texts whose last character is a mark that ends a sentence or a part of one."""
    ends = last_bytes(texts)
    result: npt.NDArray[np.bool_] = _LAST_OF_MARK[ends]
    # The last byte of a character that has several does not tell it from others.
    unsure = np.flatnonzero(result & (ends >= 0x80))
    if len(unsure):
        last = pc.utf8_slice_codeunits(texts.take(pa.array(unsure)), start=-1)
        result[unsure] = pc.is_in(last, value_set=_marks()).to_numpy(zero_copy_only=False)
    return result


def _any_of_list(flags: npt.NDArray[np.bool_], lengths: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether any element of each list is flagged; lists are never empty."""
    starts = np.cumsum(lengths) - lengths
    if not len(starts):
        return np.zeros(0, dtype=bool)
    result: npt.NDArray[np.bool_] = np.logical_or.reduceat(flags, starts)
    return result


def _shuffle(seed: int, draws: Indices, lengths: Indices) -> Indices:
    """Within each list the order in which its options are listed; see `options.orders`."""
    result = np.empty(int(lengths.sum()), dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    for size, chosen in runs_of(lengths):
        counters = draws[chosen, None].astype(np.uint64) * np.uint64(64) + np.arange(
            size, dtype=np.uint64
        )
        result[starts[chosen, None] + np.arange(size)] = order_of(random_bits(seed, counters))
    return result
