"""Lists of answer options laid out by Arrow kernels; letter for letter those of `styles.listed`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixture_builder.draw import Indices, order_of, random_bits
from mixture_builder.render.columnar_styles import ExemplarPieces
from mixture_builder.style_pools import PREPARED, StylePools
from mixture_builder.styles import SENTENCE_ENDS


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
            ],
            pa.string(),
        )
        self.sizes = (len(leads), len(items), len(endings), len(separators))
        self.marks = pa.array(sorted(SENTENCE_ENDS), pa.string())
        self.any_label = pa.array(sorted(set().union(*pools.bare_labels)), pa.string())


def _prefix(pools: StylePools, item: str, at: int, separator: str) -> str:
    prefix = pools.prefixes[item][at]
    # As in `styles.listed`: indentation is for lines of their own.
    return prefix if "\n" in separator else prefix.lstrip()


def in_listed_order(
    options: pa.ListArray,
    right: npt.NDArray[np.int64],
    *,
    order_seed: int,
    draws: Indices,
    shuffled: bool,
) -> tuple[pa.ListArray, npt.NDArray[np.int64]]:
    """Options in the order in which they are listed, and where the right one stands.

    Args:
      options: a list a draw.
      right: index of the right option.
      order_seed: seed of the orders in which options are listed.
      draws: what each order belongs to.
      shuffled: whether options are shuffled.
    """
    if not shuffled:
        return options, right
    lengths = options.value_lengths().to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    owner = np.repeat(np.arange(len(lengths)), lengths)
    shuffle = _shuffle(order_seed, draws, lengths, starts)
    at = np.arange(len(shuffle)) - starts[owner]
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    listed = pa.ListArray.from_arrays(offsets, options.flatten().take(pa.array(shuffle)))
    return listed, at[shuffle == (starts + right)[owner]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedColumns:
    """Options of draws as columns."""

    texts: pa.Array
    answers: pa.Array
    targets: pa.Array
    styles: pa.Array


def unambiguous(pieces: OptionPieces, options: pa.ListArray, numbers: Indices) -> Indices:
    """Style numbers whose labels are no options; see `StylePools.unambiguous`."""
    like_labels = pc.is_in(options.flatten(), value_set=pieces.any_label)
    lengths = options.value_lengths().to_numpy()
    doubtful = np.flatnonzero(_any_of_list(like_labels.to_numpy(zero_copy_only=False), lengths))
    if not len(doubtful):
        return numbers
    result: Indices = numbers.copy()
    lists = options.take(pa.array(doubtful)).to_pylist()
    for place, texts in zip(doubtful.tolist(), lists, strict=True):
        result[place] = pieces.pools.unambiguous(int(numbers[place]), texts)
    return result


def list_options(
    pieces: OptionPieces,
    options: pa.ListArray,
    right: npt.NDArray[np.int64],
    *,
    numbers: Indices,
    order_seed: int,
    draws: Indices,
    shuffled: bool,
) -> ListedColumns:
    """Lays out the options of draws that all show them; see `styles.listed`.

    Args:
      pieces: of all styles.
      options: a list a draw.
      right: index of the right option.
      numbers: of the option styles.
      order_seed: seed of the orders in which options are listed.
      draws: what each order belongs to.
      shuffled: whether options are shuffled.
    """
    lengths = options.value_lengths().to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    answers = options.flatten().take(pa.array(starts + right))
    listed, place = in_listed_order(
        options, right, order_seed=order_seed, draws=draws, shuffled=shuffled
    )
    flat = listed.flatten()
    owner = np.repeat(np.arange(len(lengths)), lengths)
    at = np.arange(len(flat)) - starts[owner]
    leads, items, endings, separators = pieces.sizes
    rest, lead = np.divmod(numbers, leads)
    rest, item = np.divmod(rest, items)
    rest, ending = np.divmod(rest, endings)
    separator = pieces.pools.separator_indices(rest, ending)
    # No ending after options of which one ends with a mark of its own.
    last = pc.utf8_slice_codeunits(flat, start=-1)
    marked = pc.is_in(last, value_set=pieces.marks).to_numpy(zero_copy_only=False)
    shown_ending = np.where(_any_of_list(marked, lengths), endings, ending)
    first_code = (lead * items + item) * separators + separator
    further = ((shown_ending * separators + separator) * items + item) * PREPARED
    # Codes of `first` stand after those of `further`, so that one take serves both.
    codes = np.where(at == 0, len(pieces.further) + first_code[owner], further[owner] + at)
    before = pa.concat_arrays([pieces.further, pieces.first]).take(pa.array(codes))
    joined = pc.binary_join_element_wise(before, flat, "")
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, joined), "")
    texts = pc.binary_join_element_wise(texts, pieces.endings.take(pa.array(shown_ending)), "")
    enumerates = pieces.enumerates[item]
    label_code = np.where(
        enumerates, item * PREPARED + place, len(pieces.labels) + np.arange(len(item))
    )
    targets = pa.concat_arrays([pieces.labels, answers]).take(pa.array(label_code))
    style_code = ((lead * items + item) * endings + ending) * separators + separator
    return ListedColumns(
        texts=texts,
        answers=answers,
        targets=targets,
        styles=pieces.ids.take(pa.array(style_code)),
    )


def _any_of_list(flags: npt.NDArray[np.bool_], lengths: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether any element of each list is flagged; lists are never empty."""
    starts = np.cumsum(lengths) - lengths
    if not len(starts):
        return np.zeros(0, dtype=bool)
    result: npt.NDArray[np.bool_] = np.logical_or.reduceat(flags, starts)
    return result


def _shuffle(seed: int, draws: Indices, lengths: Indices, starts: Indices) -> Indices:
    """Flat indices of the options in the order they are listed; see `options.orders`."""
    result = np.empty(int(lengths.sum()), dtype=np.int64)
    for size in np.unique(lengths).tolist():
        chosen = np.flatnonzero(lengths == size)
        counters = draws[chosen, None].astype(np.uint64) * np.uint64(64) + np.arange(
            size, dtype=np.uint64
        )
        order = order_of(random_bits(seed, counters))
        places = starts[chosen, None] + np.arange(size)
        result[places] = starts[chosen, None] + order
    return result
