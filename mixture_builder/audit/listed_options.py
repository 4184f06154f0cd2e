"""Options that prompts list: whether they do, and where among them the right one stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from mixture_builder.audit.layouts import MOST_OPTIONS, PREPARED, OptionLayout
from mixture_builder.audit.noted import Noted
from mixture_builder.audit.prompt_recipes import PromptRecipe
from mixture_builder.audit.queries import Queries
from mixture_builder.audit.style_book import ITEM, LETTERED
from mixture_builder.audit.text_column import Flags, Numbers
from mixture_builder.audit.view import ShardView
from mixture_builder.draw import distinct


def look_at_options(
    noted: Noted,
    queries: Queries,
    recipes: Sequence[PromptRecipe],
    keys: Numbers,
    shows: Flags,
) -> dict[tuple[str, int], Counter[int]]:
    """How often the right option stood at each place, by task and number of options.

    Args:
      noted: gets the records whose lists are at fault.
      queries: of the stretch.
      recipes: of the stretch.
      keys: of each record the place of its recipe.
      shows: whether its style names a layout of options.
    """
    view = noted.view
    offsets = noted.targets.offsets
    right: list[tuple[str, int, int]] = []
    lists = np.asarray([bool(recipe.lists) for recipe in recipes], dtype=bool)[keys]
    noted.note_all("options/no_list", np.flatnonzero(queries.read & ~shows & lists))
    known = queries.read & shows & view.trusted
    listed = np.flatnonzero(queries.read & shows & ~known)
    for row, key, style, begin, end, goal, stop in zip(
        listed.tolist(),
        keys[listed].tolist(),
        view.style_codes[listed].tolist(),
        queries.begins[listed].tolist(),
        queries.ends[listed].tolist(),
        offsets[:-1][listed].tolist(),
        offsets[1:][listed].tolist(),
        strict=True,
    ):
        _option(noted, right, row, recipes[key], view.styles.options(style), begin, end, goal, stop)
    positions: dict[tuple[str, int], Counter[int]] = {}
    for (task, count, place), times in Counter(right).items():
        positions.setdefault((task, count), Counter())[place] += times
    lone = np.asarray(
        [bool(r.direct and r.task and r.task.lists_options and r.lone) for r in recipes], dtype=bool
    )[keys]
    for (task, count, place), times in _of_given(view, np.flatnonzero(known & lone)):
        positions.setdefault((task, count), Counter())[place] += times
    return positions


def _of_given(view: ShardView, rows: Numbers) -> Iterator[tuple[tuple[str, int, int], int]]:
    """Where right options stand whose lists are as their rows give them, and how often."""
    numbers = view.styles.numbers[view.style_codes[rows]]
    of_rows = np.where(numbers[:, LETTERED] > 0, numbers[:, ITEM], -1)
    rows, of_rows = rows[of_rows >= 0], of_rows[of_rows >= 0]
    if not len(rows) or view.given is None:
        return
    targets = view.targets.array.take(pa.array(rows)).dictionary_encode()
    texts, width = targets.dictionary.to_pylist(), len(targets.dictionary)
    pairs, places = distinct(of_rows * width + targets.indices.to_numpy())
    items = view.context.style_book.items
    indices = [items[pair // width].label_index(texts[pair % width]) for pair in pairs.tolist()]
    index, most = np.asarray(indices)[places], MOST_OPTIONS + 1
    codes = (view.task_codes[rows] * most + view.given.options[rows]) * most + index
    met, counts = np.unique(codes[index >= 0], return_counts=True)
    for code, times in zip(met.tolist(), counts.tolist(), strict=True):
        task, count = view.task_names[code // most // most], code // most % most
        yield (task, count, code % most), times


def _option(
    noted: Noted,
    right: list[tuple[str, int, int]],
    row: int,
    recipe: PromptRecipe,
    layout: OptionLayout | None,
    start: int,
    end: int,
    goal: int,
    stop: int,
) -> None:
    if recipe.lists is False:
        noted.note("options/unwanted_list", row)
        return
    if layout is None:
        noted.note("options/no_list", row)
        return
    data = noted.inputs.data
    at = data.rfind(layout.opening, start, end) if layout.opening else -1
    if at < 0:
        # Lead-ins may be nothing, and indentation goes where a list opens the prompt.
        at = data.find(layout.lead_in.strip(), start, end)
        at = data.find(layout.first, at, end) if at >= 0 else -1
    else:
        at += len(layout.lead_in)
    if at < 0:
        noted.note("options/no_list", row, at=end - start)
        return
    if not recipe.direct or not recipe.lone:
        return
    target = noted.targets.data[goal:stop]
    if layout.item.enumerate:
        count = _count_options(data, layout, at, end)
        index = layout.label_index(target.decode("utf-8", "replace"))
        if index < 0:
            noted.note("options/no_label", row)
        elif index >= count:
            noted.note("options/label_beyond_list", row, at=end - start)
        else:
            assert recipe.task is not None
            right.append((recipe.task.plan.task, count, index))
    # Lists without labels are read for their texts only: on one line, what follows the list is
    # not told apart from its items.
    elif data.find(target, at, end) < 0:
        noted.note("options/target_not_listed", row, at=at - start)


def _count_options(data: bytes, layout: OptionLayout, at: int, end: int) -> int:
    here = at
    for count in range(1, len(layout.labels)):
        mark = layout.marks[count]
        here = data.find(mark, here, end)
        if here < 0:
            return count
        here += len(mark)
    count = max(1, len(layout.labels))
    if count < PREPARED:
        return count
    while count < MOST_OPTIONS:
        mark = layout.separator + layout.prefix(count)
        here = data.find(mark, here, end)
        if here < 0 or not layout.item.label_of(count):
            return count
        here += len(mark)
        count += 1
    return count
