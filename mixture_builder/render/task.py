"""Renders the examples of one task: draws in, prompts and targets out.

Draws are sorted by variant and template, so that each template is rendered once over lists
of rows. What cannot be rendered (an error, an empty text, a text over the budget, no
exemplar that is allowed) is drawn again with another row, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mixture_builder.draw import (
    Bits,
    Indices,
    below,
    cycled,
    derive_seed,
    drawn_rows,
    random_bits,
)
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import describe
from mixture_builder.plan import TaskPlan
from mixture_builder.rates import whole_weights
from mixture_builder.render import exemplars
from mixture_builder.render.options import list_options, orders
from mixture_builder.render.rows import Rows
from mixture_builder.styles import StylePools
from mixture_builder.templates import PromptTemplate
from mixture_builder.variants import deal

MAX_REDRAWS = 8
"""A draw that fails so many times more is dropped, with the last reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DroppedDraw:
    """A draw for which no row could be rendered, with the last reason and detail."""

    task: str
    draw: int
    template: str
    row: int
    reason: str
    detail: str


@dataclass(kw_only=True, slots=True)
class RenderedExamples:
    """Examples of one task, in lists of one length, and what went wrong on the way.

    Attributes:
      cells: how many examples each cell got, by its name.
      redrawn: how often a draw took another row, by reason.
    """

    task: str
    submixture: str
    draws: list[int] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    exemplar_rows: list[list[int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    cells: Counter[str] = field(default_factory=Counter)
    redrawn: Counter[str] = field(default_factory=Counter)
    dropped: list[DroppedDraw] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class _Batch:
    """One attempt at some draws, sorted by variant and template."""

    draws: Indices
    attempt: int
    cells: Indices
    templates: Indices
    rows: Indices
    columns: dict[str, list[Any]]
    styles: list[str]
    option_styles: Indices | None
    input_answers: list[str] | None = None
    inputs: list[str | Exception | None] = field(default_factory=list)
    targets: list[str | Exception | None] = field(default_factory=list)
    exemplar_rows: list[list[int]] = field(default_factory=list)
    failures: dict[int, tuple[str, str]] = field(default_factory=dict)
    all_texts: bool = True


class TaskRenderer:
    """Renders any draws of one task; holds caches, so use one for one shard.

    Args:
      plan: the task's part of the mixture.
      templates: its template set, in the file's order.
      styles: all pools.
      rows: its rows.
      seed: the recipe's seed.
    """

    def __init__(
        self,
        plan: TaskPlan,
        *,
        templates: Sequence[PromptTemplate],
        styles: StylePools,
        rows: Rows,
        seed: int,
    ) -> None:
        self.plan = plan
        self.templates = templates
        self.rows = rows
        self.seed = derive_seed(seed, "task", plan.task)
        self._styles = styles
        self._has_options = "options" in rows.fields
        self._several_answers = "answers" in rows.fields
        self._has_turns = "turns" in rows.fields
        self._pairs: dict[tuple[int, int, int], tuple[str, str] | None] = {}
        self._pool_keys: dict[tuple[str, ...], Bits] = {}
        self._varies: dict[str, bool] = {}
        self._names = self._names_needed()

    def render(self, draws: Iterable[int]) -> RenderedExamples:
        """Renders draws; what comes back stands in an order of no meaning.

        Every draw is either among the examples or among the dropped ones.
        """
        result = RenderedExamples(task=self.plan.task, submixture=self.plan.submixture)
        pending = np.fromiter(draws, dtype=np.int64)
        attempt = 0
        while len(pending):
            batch = self._attempt(pending, attempt)
            self._collect(batch, result, last=attempt == MAX_REDRAWS)
            pending = batch.draws[sorted(batch.failures)] if attempt < MAX_REDRAWS else pending[:0]
            attempt += 1
        return result

    def _collect(self, batch: _Batch, result: RenderedExamples, *, last: bool) -> None:
        ids = self.rows.ids(batch.rows).tolist()
        variants = [cell.variant for cell in self.plan.cells]
        names = [t.id for t in self.templates]
        draws, templates = batch.draws.tolist(), batch.templates.tolist()
        cells = batch.cells
        columns: list[tuple[list[Any], list[Any]]] = [
            (result.draws, draws),
            (result.inputs, batch.inputs),
            (result.targets, batch.targets),
            (result.variants, [variants[c] for c in cells.tolist()]),
            (result.templates, [names[t] for t in templates]),
            (result.styles, batch.styles),
            (result.exemplar_rows, batch.exemplar_rows),
            (result.rows, ids),
        ]
        if batch.failures:
            kept = [i for i in range(len(draws)) if i not in batch.failures]
            columns = [(all_, [values[i] for i in kept]) for all_, values in columns]
            cells = cells[kept]
        for all_, values in columns:
            all_.extend(values)
        counts = np.bincount(cells, minlength=len(self.plan.cells)).tolist()
        for cell, count in zip(self.plan.cells, counts, strict=True):
            if count:
                result.cells[cell.name] += count
        for i, (reason, detail) in sorted(batch.failures.items()):
            if last:
                result.dropped.append(
                    DroppedDraw(
                        task=self.plan.task,
                        draw=draws[i],
                        template=names[templates[i]],
                        row=ids[i],
                        reason=reason,
                        detail=detail,
                    )
                )
            else:
                result.redrawn[reason] += 1

    def _attempt(self, draws: Indices, attempt: int) -> _Batch:
        plan = self.plan
        cells, ordinals = deal([c.weight for c in plan.cells], [c.quota for c in plan.cells], draws)
        templates = np.zeros_like(cells)
        for index, cell in enumerate(plan.cells):
            chosen = cells == index
            walk = derive_seed(self.seed, "templates", cell.name)
            places = cycled(walk, len(cell.templates), ordinals[chosen])
            templates[chosen] = np.asarray(cell.templates, dtype=np.int64)[places]
        if attempt == 0:
            rows = drawn_rows(derive_seed(self.seed, "rows"), plan.query_rows, draws)
        else:
            bits = random_bits(derive_seed(self.seed, "redraw", attempt), draws)
            rows = below(bits, plan.query_rows)
        rows = rows + plan.first_query
        templates = self._with_required_fields(templates, cells, rows)
        order = np.lexsort((draws, templates, cells))
        batch = _Batch(
            draws=draws[order],
            attempt=attempt,
            cells=cells[order],
            templates=templates[order],
            rows=rows[order],
            columns={},
            styles=[""] * len(draws),
            option_styles=None,
            exemplar_rows=[[]] * len(draws),
        )
        batch.columns = self.rows.columns(self._names, batch.rows)
        self._draw_styles(batch)
        self._render_queries(batch)
        self._check(batch)
        self._add_exemplars(batch)
        return batch

    def _with_required_fields(self, templates: Indices, cells: Indices, rows: Indices) -> Indices:
        """Moves draws off templates whose required fields are empty for the row."""
        demanding = [i for i, t in enumerate(self.templates) if t.requires]
        affected = np.flatnonzero(np.isin(templates, demanding)) if demanding else []
        if not len(affected):
            return templates
        names = sorted({n for i in demanding for n in self.templates[i].requires})
        columns = self.rows.columns(names, rows[affected])
        result = templates.copy()
        for at, place in enumerate(affected):
            if all(columns[n][at] for n in self.templates[templates[place]].requires):
                continue
            allowed = [
                i
                for i in self.plan.cells[cells[place]].templates
                if all(columns[n][at] if n in columns else True for n in self.templates[i].requires)
            ]
            if allowed:
                # The next in the file's order, so that neighbours do not all move to one.
                result[place] = allowed[int(templates[place]) % len(allowed)]
        return result

    # --- styles -------------------------------------------------------------------------

    def _draw_styles(self, batch: _Batch) -> None:
        """Draws option and dialog styles and adds the columns that come of them."""
        if self._several_answers:
            lists = batch.columns["answers"]
            picks = self._several(batch.draws, batch.attempt, [len(a) for a in lists])
            batch.columns["answer"] = [a[p] for a, p in zip(lists, picks, strict=True)]
        if self._has_options:
            self._list_options(batch)
        if self._has_turns:
            seed = derive_seed(self.seed, "dialog style")
            styles = [self._styles.dialog_style(b) for b in random_bits(seed, batch.draws).tolist()]
            turns = batch.columns["turns"]
            batch.columns["dialog_text"] = [
                style.text(t) for style, t in zip(styles, turns, strict=True)
            ]
            batch.styles = [
                f"{listed};dialog={style.id}" if listed else f"dialog={style.id}"
                for listed, style in zip(batch.styles, styles, strict=True)
            ]

    def _several(self, counters: Indices, attempt: int, sizes: list[int]) -> list[int]:
        """Which of several right answers is the target."""
        bits = random_bits(derive_seed(self.seed, "answer", attempt), counters) >> np.uint64(32)
        picks = (bits * np.asarray(sizes, dtype=np.uint64)) >> np.uint64(32)
        return [int(p) for p in picks]

    def _list_options(self, batch: _Batch) -> None:
        shown = np.asarray([c.shows_options for c in self.plan.cells])[batch.cells]
        bits = random_bits(derive_seed(self.seed, "option style"), batch.draws)
        drawn = (bits % np.uint64(self._styles.option_styles)).astype(np.int64)
        batch.option_styles = np.where(shown, drawn, -1)
        numbers = batch.option_styles.tolist()
        listed = list_options(
            batch.columns["options"],
            batch.columns["answer_index"],
            styles=self._styles,
            numbers=numbers,
            order=self._orders("option order", batch.draws, batch.columns["options"]),
        )
        batch.columns["options"] = listed.options
        batch.columns["options_text"] = listed.texts
        batch.columns["answer_text"] = batch.columns["answer"] = listed.answers
        batch.columns["answer in target"] = listed.targets
        batch.styles = [f"options={self._styles.option_id(n)}" if n >= 0 else "" for n in numbers]

    def _orders(
        self, purpose: str, counters: Indices, options: list[list[str]]
    ) -> list[list[int]] | None:
        if self.plan.fixed_option_order or not self.plan.settings.shuffle_options:
            return None
        return orders(derive_seed(self.seed, purpose), counters, [len(o) for o in options])

    # --- queries ------------------------------------------------------------------------

    def _render_queries(self, batch: _Batch) -> None:
        groups = batch.cells * len(self.templates) + batch.templates
        starts = np.flatnonzero(np.diff(groups, prepend=-1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(groups)], strict=True):
            cell = self.plan.cells[batch.cells[start]]
            template = self.templates[batch.templates[start]]
            inputs, targets = self._render_pairs(
                template, cell.few_shot, _cut(batch.columns, start, stop), stop - start
            )
            batch.inputs += inputs
            batch.targets += targets
            batch.all_texts &= set(map(type, inputs)) | set(map(type, targets)) == {str}

    def _render_pairs(
        self, template: PromptTemplate, few_shot: bool, columns: Mapping[str, Any], count: int
    ) -> tuple[list[str | Exception], list[str | Exception]]:
        as_few_shot = few_shot and not self.plan.settings.shots.mixed_templates
        inputs = template.input_for(few_shot=as_few_shot).render_many(columns, count)
        if "answer in target" in columns:
            columns = {**columns, "answer": columns["answer in target"]}
        targets = template.target_for(few_shot=as_few_shot).render_many(columns, count)
        return inputs, targets

    def _check(self, batch: _Batch) -> None:
        limits = self.plan.settings
        demanding = [i for i, t in enumerate(self.templates) if t.requires]
        for i in np.flatnonzero(np.isin(batch.templates, demanding)) if demanding else ():
            for name in self.templates[batch.templates[i]].requires:
                if not batch.columns[name][i]:
                    batch.failures[int(i)] = ("required_field", f"the row has no {name}")
        if self._all_sound(batch):
            return
        for i, (shown, target) in enumerate(zip(batch.inputs, batch.targets, strict=True)):
            if isinstance(shown, str) and isinstance(target, str) and shown and target:
                if limits.input_chars and len(shown) > limits.input_chars:
                    batch.failures[i] = (
                        "input_too_long",
                        f"{len(shown)} characters; at most {limits.input_chars}",
                    )
                elif limits.target_chars and len(target) > limits.target_chars:
                    batch.failures[i] = (
                        "target_too_long",
                        f"{len(target)} characters; at most {limits.target_chars}",
                    )
                continue
            for text, part in ((shown, "input"), (target, "target")):
                if isinstance(text, Exception):
                    batch.failures[i] = ("render_error", f"{part}: {describe(text)}")
                    break
                if not text:
                    batch.failures[i] = (f"empty_{part}", "nothing but white space was rendered")
                    break

    def _all_sound(self, batch: _Batch) -> bool:
        """Whether nothing is wrong with any text: found out at a fraction of the cost."""
        limits = self.plan.settings
        for texts, limit in (
            (batch.inputs, limits.input_chars),
            (batch.targets, limits.target_chars),
        ):
            if not batch.all_texts or "" in texts:
                return False
            if limit and max(map(len, texts)) > limit:  # type: ignore[arg-type]  # all are texts
                return False
        return True

    # --- exemplars ----------------------------------------------------------------------

    def _add_exemplars(self, batch: _Batch) -> None:
        few_shot = np.asarray([c.few_shot for c in self.plan.cells], dtype=bool)
        places = np.flatnonzero(few_shot[batch.cells])
        places = np.asarray([p for p in places.tolist() if p not in batch.failures], dtype=np.int64)
        if not len(places):
            return
        wanted = self._shots(batch.draws[places])
        solved = self._solved(batch, places, wanted)
        short = [at for at, pairs in enumerate(solved) if len(pairs) < wanted[at]]
        if short:
            # Some can be barred only once they are rendered; others take their places.
            more = self._solved(batch, places[short], wanted[short] + exemplars.SPARE_CANDIDATES)
            for at, pairs in zip(short, more, strict=True):
                solved[at] = pairs[: int(wanted[at])]
        seed = derive_seed(self.seed, "exemplar style")
        bits = random_bits(seed, batch.draws[places])
        ids = self.rows.ids(np.arange(self.plan.pool))
        instructions = self._instructions(batch, places)
        limit = self.plan.settings.input_chars
        templates = batch.templates.tolist()
        for at, (i, shown) in enumerate(zip(places.tolist(), solved, strict=True)):
            query = batch.inputs[i]
            assert isinstance(query, str)
            if not shown:
                batch.failures[i] = ("no_exemplar", "no row of the pool may be shown beside it")
                continue
            direct = self.templates[templates[i]].direction == "direct"
            labels, separator = self._styles.exemplar_style(
                int(bits[at]), questions=self.plan.questions and direct
            )
            instruction = instructions[at]
            text = exemplars.join(
                [pair for _, pair in shown],
                query,
                labels=labels,
                separator=separator,
                instruction=instruction,
            )
            while limit and len(text) > limit and len(shown) > 1:
                shown = shown[:-1]
                text = exemplars.join(
                    [pair for _, pair in shown],
                    query,
                    labels=labels,
                    separator=separator,
                    instruction=instruction,
                )
            if limit and len(text) > limit:
                batch.failures[i] = ("input_too_long", f"{len(text)} characters; at most {limit}")
                continue
            batch.inputs[i] = text
            batch.exemplar_rows[i] = [int(ids[row]) for row, _ in shown]
            style = f"exemplars={labels.id}/{separator.id}"
            batch.styles[i] = f"{batch.styles[i]};{style}" if batch.styles[i] else style

    def _solved(
        self, batch: _Batch, places: Indices, wanted: Indices
    ) -> list[list[tuple[int, tuple[str, str]]]]:
        """For each few-shot prompt pool rows with their rendered pairs, none of them a leak."""
        chosen = self._choose(batch, places, wanted)
        used = self._exemplar_templates(batch, places, chosen)
        self._render_exemplars(batch, places, chosen, used)
        numbers = batch.option_styles.tolist() if batch.option_styles is not None else None
        cells = batch.cells.tolist()
        result = []
        for at, (i, pool_rows) in enumerate(zip(places.tolist(), chosen, strict=True)):
            number = numbers[i] if numbers and self.plan.cells[cells[i]].shows_options else -1
            candidates: list[tuple[int, tuple[str, str]]] = []
            for template, row in zip(used[at], pool_rows, strict=True):
                pair = self._pairs[template, row, number]
                if pair is not None:
                    candidates.append((row, pair))
            target = batch.targets[i]
            assert isinstance(target, str)
            if not self._is_label(batch, i, target):
                clean = exemplars.without_leaks([pair for _, pair in candidates], target)
                candidates = [candidates[c] for c in clean]
            result.append(candidates)
        return result

    def _is_label(self, batch: _Batch, at: int, target: str) -> bool:
        """Whether a target is one of a set of answers that is the same for all rows.

        Such answers recur by nature, however long: barring them would give the right one away.
        """
        return (
            self._has_options
            and not self._varies_in_pool("options")
            and bool(target == batch.columns["answer in target"][at])
        )

    def _shots(self, draws: Indices) -> Indices:
        """How many exemplars each few-shot prompt asks for."""
        counts = self.plan.settings.shots.counts
        weights = np.cumsum(whole_weights([rate for _, rate in counts]))
        bits = random_bits(derive_seed(self.seed, "shots"), draws)
        index = np.searchsorted(weights, below(bits, int(weights[-1])), side="right")
        return np.asarray([n for n, _ in counts], dtype=np.int64)[index]

    def _choose(self, batch: _Batch, places: Indices, wanted: Indices) -> list[list[int]]:
        """Pool rows for each few-shot prompt; what counts as the same depends on the template."""
        draws = batch.draws[places]
        seed = derive_seed(self.seed, "exemplars", batch.attempt)
        chosen: list[list[int]] = [[]] * len(places)
        templates = batch.templates[places]
        for template in np.unique(templates).tolist():
            group = np.flatnonzero(templates == template)
            names = self._asking_fields(template)
            able = self._able(template)
            found = exemplars.choose(
                seed,
                draws[group],
                wanted=wanted[group],
                pool_keys=self._keys_of_pool(names)[able],
                query_keys=self._keys(names, batch.rows[places[group]]),
            )
            for at, rows in zip(group.tolist(), found, strict=True):
                chosen[at] = able[np.asarray(rows, dtype=np.int64)].tolist()
        return chosen

    def _able(self, template: int) -> Indices:
        """Pool rows that have all fields a template requires."""
        pool = np.arange(self.plan.pool)
        required = self.templates[template].requires
        if not required:
            return pool
        columns = self.rows.columns(required, pool)
        return np.flatnonzero([all(values) for values in zip(*columns.values(), strict=True)])

    def _asking_fields(self, template: int) -> tuple[str, ...]:
        """Fields that say what a prompt of this template asks.

        Fields that are the same in the whole pool, such as a task's definition, tell
        nothing apart. Where none is left, all of the pool asks the same thing, unless the
        prompt also shows an answer: then the row itself counts.
        """
        text = self.templates[template].input_for(few_shot=self._uses_few_shot_texts)
        derived = {"dialog_text": "turns", "options_text": "options"}
        answers = {"options", "answer", "answer_text", "answers", "answer_index"}
        names = {derived.get(name, name) for name in text.names}
        asking = sorted((names - answers) & set(self.rows.fields))
        telling = tuple(name for name in asking if self._varies_in_pool(name))
        return telling if telling or names & answers else tuple(asking)

    def _varies_in_pool(self, name: str) -> bool:
        if name not in self._varies:
            keys = self.rows.keys(name, np.arange(self.plan.pool))
            self._varies[name] = bool((keys != keys[:1]).any())
        return self._varies[name]

    @property
    def _uses_few_shot_texts(self) -> bool:
        return not self.plan.settings.shots.mixed_templates

    def _keys_of_pool(self, names: tuple[str, ...]) -> Bits:
        if names not in self._pool_keys:
            self._pool_keys[names] = self._keys(names, np.arange(self.plan.pool))
        return self._pool_keys[names]

    def _keys(self, names: tuple[str, ...], rows: Indices) -> Bits:
        if not names:
            return self.rows.ids(rows).astype(np.uint64)
        keys = np.zeros(len(rows), dtype=np.uint64)
        for name in names:
            # Chained, so that equal keys need equal fields in the same places.
            keys = random_bits(derive_seed(0, name), keys ^ self.rows.keys(name, rows))
        return keys

    def _exemplar_templates(
        self, batch: _Batch, places: Indices, chosen: list[list[int]]
    ) -> list[list[int]]:
        templates = batch.templates[places].tolist()
        if self._uses_few_shot_texts:
            return [[t] * len(rows) for t, rows in zip(templates, chosen, strict=True)]
        seed = derive_seed(self.seed, "exemplar templates")
        result = []
        for draw, cell, template, rows in zip(
            batch.draws[places].tolist(),
            batch.cells[places].tolist(),
            templates,
            chosen,
            strict=True,
        ):
            able = [i for i in self.plan.cells[cell].templates if not self.templates[i].requires]
            allowed = able or [template]
            bits = random_bits(derive_seed(seed, "draw", draw), np.arange(len(rows)))
            result.append([allowed[i] for i in below(bits, len(allowed)).tolist()])
        return result

    def _render_exemplars(
        self, batch: _Batch, places: Indices, chosen: list[list[int]], used: list[list[int]]
    ) -> None:
        """Renders each exemplar text that is needed once, into the cache of pairs."""
        needed: dict[int, set[tuple[int, int]]] = {}
        numbers = batch.option_styles.tolist() if batch.option_styles is not None else None
        cells = batch.cells.tolist()
        for i, rows, templates in zip(places.tolist(), chosen, used, strict=True):
            shows = numbers is not None and self.plan.cells[cells[i]].shows_options
            number = numbers[i] if shows and numbers else -1
            for template, row in zip(templates, rows, strict=True):
                if (template, row, number) not in self._pairs:
                    needed.setdefault(template, set()).add((row, number))
        for template, wanted in needed.items():
            keys = sorted(wanted)
            rows = np.asarray([row for row, _ in keys], dtype=np.int64)
            columns = self.rows.columns(self._names, rows)
            self._complete_exemplars(columns, rows, [number for _, number in keys])
            inputs, targets = self._render_pairs(self.templates[template], True, columns, len(keys))
            for (row, number), shown, solved in zip(keys, inputs, targets, strict=True):
                sound = isinstance(shown, str) and isinstance(solved, str) and shown and solved
                pair = (shown, solved) if sound else None
                self._pairs[template, row, number] = pair  # type: ignore[assignment]

    def _complete_exemplars(
        self, columns: dict[str, list[Any]], rows: Indices, numbers: list[int]
    ) -> None:
        """Adds what is drawn for an exemplar: it depends on its row, not on the prompt."""
        if self._several_answers:
            lists = columns["answers"]
            picks = self._several(rows, -1, [len(a) for a in lists])
            columns["answer"] = [a[p] for a, p in zip(lists, picks, strict=True)]
        if self._has_options:
            listed = list_options(
                columns["options"],
                columns["answer_index"],
                styles=self._styles,
                numbers=numbers,
                order=self._orders("exemplar option order", rows, columns["options"]),
            )
            columns["options"], columns["options_text"] = listed.options, listed.texts
            columns["answer_text"] = columns["answer"] = listed.answers
            columns["answer in target"] = listed.targets
        if self._has_turns:
            bits = random_bits(derive_seed(self.seed, "exemplar dialog style"), rows).tolist()
            columns["dialog_text"] = [
                self._styles.dialog_style(b).text(t)
                for b, t in zip(bits, columns["turns"], strict=True)
            ]

    def _instructions(self, batch: _Batch, places: Indices) -> list[str]:
        result = [""] * len(places)
        if not self._uses_few_shot_texts:
            return result
        templates = batch.templates[places]
        for template in np.unique(templates).tolist():
            source = self.templates[template].instruction
            if not source:
                continue
            group = np.flatnonzero(templates == template).tolist()
            columns = {
                name: [values[places[at]] for at in group] for name, values in batch.columns.items()
            }
            text = compile_text(source)
            for at, rendered in zip(group, text.render_many(columns, len(group)), strict=True):
                if isinstance(rendered, Exception):
                    place = int(places[at])
                    batch.failures[place] = ("render_error", f"instruction: {describe(rendered)}")
                else:
                    result[at] = rendered
        return result

    def _names_needed(self) -> list[str]:
        used = {i for cell in self.plan.cells for i in cell.templates}
        names = {n for i in used for n in (*self.templates[i].names, *self.templates[i].requires)}
        if self._has_options:
            names |= {"options", "answer_index"}
        if self._several_answers:
            names.add("answers")
        if self._has_turns:
            names.add("turns")
        return sorted(names & set(self.rows.fields))


def _cut(columns: Mapping[str, list[Any]], start: int, stop: int) -> dict[str, list[Any]]:
    return {name: values[start:stop] for name, values in columns.items()}
