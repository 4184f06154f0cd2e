"""Zero-shot prompts made by Arrow kernels: whole columns, no Python object a row.

Most templates only put texts and fields one after the other. Their prompts are one join of
pieces for all draws of a task, and so are the lists of options. What needs more (filters,
loops, conditions on fields, dialogs, long lists of options) is left to the row by row path of
`task.py`, whose texts these are, letter for letter: the tests compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import nodes

from mixture_builder.draw import Indices, derive_seed, random_bits
from mixture_builder.jinja_sandbox import parse
from mixture_builder.render.batch import TaskContext
from mixture_builder.style_pools import PREPARED, StylePools
from mixture_builder.styles import SENTENCE_ENDS

WHITE_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
"""What `str.strip` strips: Arrow's own idea of white space differs."""


class ColumnarRows(Protocol):
    """Rows that can be read as Arrow columns.

    Attributes:
      text_fields: fields that hold texts.
    """

    text_fields: frozenset[str]

    def arrays(self, names: Sequence[str], indices: Indices) -> dict[str, pa.Array]:
        """Some columns for rows in the order of `indices`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedBlock:
    """Finished examples as columns of one length.

    Attributes:
      exemplar_rows: identities of the rows shown, a list an example; `None` where none are.
    """

    draws: Indices
    cells: Indices
    inputs: pa.Array
    targets: pa.Array
    templates: Indices
    styles: pa.Array
    rows: npt.NDArray[np.int64]
    exemplar_rows: pa.ListArray | None = None


@lru_cache(maxsize=50_000)
def pieces_of(source: str, *, options_shown: bool) -> tuple[str, ...] | None:
    """A template as alternating texts and field names, beginning with a text.

    Args:
      source: Jinja text.
      options_shown: whether `options_text` is there, which settles conditions on it.

    Returns:
      text, name, text, name, ..., text; or `None` if it is more than that.
    """
    flat: list[str | nodes.Name] = []
    if not _flatten(parse(source).body, flat, options_shown=options_shown):
        return None
    pieces = [""]
    for piece in flat:
        if isinstance(piece, str):
            pieces[-1] += piece
        elif piece.name == "options_text" and not options_shown:
            continue
        else:
            pieces += [piece.name, ""]
    return tuple(pieces)


def _flatten(
    body: Sequence[nodes.Node], flat: list[str | nodes.Name], *, options_shown: bool
) -> bool:
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.TemplateData):
                    flat.append(part.data)
                elif isinstance(part, nodes.Name):
                    flat.append(part)
                else:
                    return False
        elif (
            isinstance(node, nodes.If)
            and isinstance(node.test, nodes.Name)
            and node.test.name == "options_text"
            and not node.elif_
        ):
            chosen = node.body if options_shown else node.else_
            if not _flatten(chosen, flat, options_shown=options_shown):
                return False
        else:
            return False
    return True


def join_stretches(
    texts: Sequence[tuple[str, ...]],
    stretches: Sequence[tuple[int, int]],
    columns: dict[str, pa.Array],
) -> pa.Array:
    """Stripped texts of draws of which each stretch has a template of its own.

    All texts and columns stand in one array; a draw is the list of the places it is put
    together from. So the number of templates costs next to nothing.

    Args:
      texts: for each stretch its template, as `pieces_of` gives it.
      stretches: first draw and one past the last, without gaps, from 0.
      columns: a value a draw, for every name.
    """
    literals: dict[str, int] = {}
    for text in texts:
        for literal in text[::2]:
            literals.setdefault(literal, len(literals))
    names = sorted({name for text in texts for name in text[1::2]})
    count = stretches[-1][1]
    bases = {name: len(literals) + number * count for number, name in enumerate(names)}
    everything = pa.concat_arrays(
        [pa.array(list(literals), pa.string()), *(columns[name] for name in names)]
    )
    places = []
    for text, (start, stop) in zip(texts, stretches, strict=True):
        # Empty texts between two fields are left out.
        used = [(i, piece) for i, piece in enumerate(text) if i % 2 or piece]
        first = [bases[piece] + start if i % 2 else literals[piece] for i, piece in used]
        step = [i % 2 for i, _ in used]
        places.append(
            np.asarray(first, dtype=np.int64)
            + np.arange(stop - start)[:, None] * np.asarray(step, dtype=np.int64)
        )
    lengths = np.repeat([p.shape[1] for p in places], [p.shape[0] for p in places])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    pieces = everything.take(pa.array(np.concatenate([p.ravel() for p in places])))
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), pieces), "")
    return pc.utf8_trim(joined, characters=WHITE_SPACE)


# --- options ------------------------------------------------------------------------------


class OptionPieces:
    """Texts before, between and after options, as Arrow arrays to take from.

    Args:
      pools: all styles.
    """

    def __init__(self, pools: StylePools) -> None:
        styles = pools.styles
        self.pools = pools
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
    flat = options.flatten()
    owner = np.repeat(np.arange(len(lengths)), lengths)
    at = np.arange(len(flat)) - starts[owner]
    answers = flat.take(pa.array(starts + right))
    place = right
    if shuffled:
        shuffle = _shuffle(order_seed, draws, lengths, starts)
        flat = flat.take(pa.array(shuffle))
        # Where the right option went: the place whose source is it.
        place = at[shuffle == (starts + right)[owner]]
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
        order = np.argsort(random_bits(seed, counters), axis=1, kind="stable")
        places = starts[chosen, None] + np.arange(size)
        result[places] = starts[chosen, None] + order
    return result


# --- blocks -------------------------------------------------------------------------------


def render_columns(
    context: TaskContext,
    pieces: OptionPieces,
    *,
    draws: Indices,
    cells: Indices,
    templates: Indices,
    rows: Indices,
) -> tuple[RenderedBlock | None, npt.NDArray[np.bool_]]:
    """Renders what can be rendered by columns of some zero-shot draws.

    Args:
      context: of the task; its rows must be `ColumnarRows`.
      pieces: of all option styles.
      draws: any zero-shot draws.
      cells: what they serve.
      templates: what they are said with.
      rows: what they are about.

    Returns:
      The finished examples, and for each draw whether it is left to the row by row path: its
      template or its options need more, or something is wrong with its texts.
    """
    left = ~_eligible(context, cells, templates)
    if "options" in context.rows.fields:
        able = np.flatnonzero(~left)
        options = _arrays(context, ["options"], rows[able])["options"] if len(able) else None
        if options is not None:
            left[able[options.value_lengths().to_numpy() > PREPARED]] = True
    left |= _lacks_required(context, templates, rows)
    chosen = np.flatnonzero(~left)
    if not len(chosen):
        return None, left
    chosen = chosen[np.lexsort((draws[chosen], templates[chosen], cells[chosen]))]
    block = _block(context, pieces, draws[chosen], cells[chosen], templates[chosen], rows[chosen])
    doubtful = _doubtful(context, block)
    if doubtful.any():
        left[chosen[doubtful]] = True
        block = _without(block, doubtful)
    return block, left


def _arrays(context: TaskContext, names: Sequence[str], rows: Indices) -> dict[str, pa.Array]:
    read: Any = context.rows
    arrays: dict[str, pa.Array] = read.arrays(names, rows)
    return arrays


def _eligible(context: TaskContext, cells: Indices, templates: Indices) -> npt.NDArray[np.bool_]:
    """Draws whose template puts texts and fields one after the other and does no more."""
    keys = cells * len(context.templates) + templates
    met, inverse = np.unique(keys, return_inverse=True)
    able = np.zeros(len(met), dtype=bool)
    known = _known_names(context)
    for place, key in enumerate(met.tolist()):
        cell, template = divmod(key, len(context.templates))
        texts = _texts(context, cell, template)
        able[place] = known.issuperset(context.templates[template].requires) and all(
            text is not None and known.issuperset(text[1::2]) for text in texts
        )
    eligible: npt.NDArray[np.bool_] = able[inverse]
    return eligible


def _lacks_required(
    context: TaskContext, templates: Indices, rows: Indices
) -> npt.NDArray[np.bool_]:
    """Draws whose row is empty in a field that its template requires."""
    result = np.zeros(len(templates), dtype=bool)
    for number, template in enumerate(context.templates):
        places = np.flatnonzero(templates == number) if template.requires else np.zeros(0, int)
        if len(places):
            for array in _arrays(context, template.requires, rows[places]).values():
                lengths = pc.binary_length(array).to_numpy(zero_copy_only=False)
                result[places[lengths == 0]] = True
    return result


def _texts(
    context: TaskContext, cell: int, template: int
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    shown = context.plan.cells[cell].shows_options
    both = context.templates[template]
    return (
        pieces_of(both.input, options_shown=shown),
        pieces_of(both.target, options_shown=shown),
    )


def _known_names(context: TaskContext) -> frozenset[str]:
    """Names that are columns of texts."""
    read: Any = context.rows
    names = set(read.text_fields)
    if "options" in context.rows.fields:
        names |= {"options_text", "answer", "answer_text"}
    if "answers" in context.rows.fields:
        names.add("answer")
    return frozenset(names)


def _block(
    context: TaskContext,
    pieces: OptionPieces,
    draws: Indices,
    cells: Indices,
    templates: Indices,
    rows: Indices,
) -> RenderedBlock:
    keys = cells * len(context.templates) + templates
    starts = np.flatnonzero(np.diff(keys, prepend=-1)).tolist()
    stretches = [*zip(starts, [*starts[1:], len(keys)], strict=True)]
    texts = [_texts(context, int(cells[s]), int(templates[s])) for s, _ in stretches]
    used = {name for pair in texts for text in pair if text for name in text[1::2]}
    read: Any = context.rows
    columns = _arrays(context, sorted(used & set(read.text_fields)), rows)
    styles = pa.repeat("", len(draws))
    if "answers" in context.rows.fields:
        columns["answer"] = _picked_answers(context, draws, rows)
    in_targets = columns
    if "options" in context.rows.fields:
        styles, targets = _add_options(context, pieces, columns, draws, cells, rows)
        in_targets = {**columns, "answer": targets}
    shown = [pair[0] for pair in texts if pair[0] is not None]
    solved = [pair[1] for pair in texts if pair[1] is not None]
    assert len(shown) == len(solved) == len(stretches)
    return RenderedBlock(
        draws=draws,
        cells=cells,
        templates=templates,
        inputs=join_stretches(shown, stretches, columns),
        targets=join_stretches(solved, stretches, in_targets),
        styles=styles,
        rows=context.rows.ids(rows),
    )


def _picked_answers(context: TaskContext, draws: Indices, rows: Indices) -> pa.Array:
    """Of several right answers the one that is drawn; as in `drawn.DrawnColumns`."""
    lists = _arrays(context, ["answers"], rows)["answers"]
    sizes = lists.value_lengths().to_numpy().astype(np.int64)
    bits = random_bits(derive_seed(context.seed, "answer", 0), draws) >> np.uint64(32)
    picks = ((bits * sizes.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
    return lists.flatten().take(pa.array(np.cumsum(sizes) - sizes + picks))


def _add_options(
    context: TaskContext,
    pieces: OptionPieces,
    columns: dict[str, pa.Array],
    draws: Indices,
    cells: Indices,
    rows: Indices,
) -> tuple[pa.Array, pa.Array]:
    """Adds the columns that come of options; gives styles, and answers as targets say them.

    Cells are sorted, so the draws that show their options are few stretches of all draws.
    """
    read = _arrays(context, ["options", "answer_index"], rows)
    options, right = read["options"], read["answer_index"].to_numpy()
    shows = np.asarray([c.shows_options for c in context.plan.cells])[cells]
    bits = random_bits(derive_seed(context.seed, "option style"), draws)
    numbers = (bits % np.uint64(pieces.pools.option_styles)).astype(np.int64)
    shuffled = context.plan.settings.shuffle_options and not context.plan.fixed_option_order
    edges = np.flatnonzero(np.diff(shows.astype(np.int8), prepend=-1)).tolist()
    parts: dict[str, list[pa.Array]] = {"texts": [], "answers": [], "targets": [], "styles": []}
    for start, stop in zip(edges, [*edges[1:], len(shows)], strict=True):
        lists = options.slice(start, stop - start)
        if not shows[start]:
            lengths = lists.value_lengths().to_numpy().astype(np.int64)
            places = np.cumsum(lengths) - lengths + right[start:stop]
            answers = lists.flatten().take(pa.array(places))
            empty = pa.repeat("", stop - start)
            found = {"texts": empty, "answers": answers, "targets": answers, "styles": empty}
        else:
            listed = list_options(
                pieces,
                lists,
                right[start:stop],
                numbers=unambiguous(pieces, lists, numbers[start:stop]),
                order_seed=derive_seed(context.seed, "option order"),
                draws=draws[start:stop],
                shuffled=shuffled,
            )
            found = {name: getattr(listed, name) for name in parts}
        for name, array in found.items():
            parts[name].append(array)
    joined = {name: pa.concat_arrays(arrays) for name, arrays in parts.items()}
    columns["options_text"] = joined["texts"]
    columns["answer"] = columns["answer_text"] = joined["answers"]
    return joined["styles"], joined["targets"]


def _doubtful(context: TaskContext, block: RenderedBlock) -> npt.NDArray[np.bool_]:
    """Examples with an empty text or one that may be over the budget: bytes bound characters."""
    limits = context.plan.settings
    result = np.zeros(len(block.draws), dtype=bool)
    for texts, limit in ((block.inputs, limits.input_chars), (block.targets, limits.target_chars)):
        lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        result |= lengths == 0
        if limit:
            result |= lengths > limit
    return result


def _without(block: RenderedBlock, out: npt.NDArray[np.bool_]) -> RenderedBlock:
    kept = np.flatnonzero(~out)
    taken = pa.array(kept)
    return RenderedBlock(
        draws=block.draws[kept],
        cells=block.cells[kept],
        templates=block.templates[kept],
        inputs=block.inputs.take(taken),
        targets=block.targets.take(taken),
        styles=block.styles.take(taken),
        rows=block.rows[kept],
    )
