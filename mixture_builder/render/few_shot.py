"""Few-shot prompts: exemplars chosen, rendered once each, and put before the query."""

from __future__ import annotations

import numpy as np

from mixture_builder.draw import Bits, Indices, below, derive_seed, distinct, random_bits
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_running import describe
from mixture_builder.render import exemplars
from mixture_builder.render.batch import Batch, FewShotLayout, TaskContext
from mixture_builder.render.drawn import TARGET_ANSWER, DrawnColumns
from mixture_builder.render.pairs import render_pairs, uses_few_shot_texts
from mixture_builder.render.shots import shots_asked, shots_seed
from mixture_builder.styles import ExemplarLabels, Separator

Pair = tuple[str, str]
"""Prompt and target of an exemplar, without labels."""

Solved = tuple[int, int, Pair]
"""Template and row of an exemplar, and its texts."""

MAX_STYLE_DRAWS = 16
"""Styles that are tried for one whose labels do not repeat what the texts begin with."""


class FewShot:
    """Turns the rendered queries of few-shot cells into few-shot prompts.

    Keeps the exemplars it has rendered until `forget` is called.

    Args:
      context: of the task.
      drawn: adds what is drawn for an exemplar.
    """

    def __init__(self, context: TaskContext, drawn: DrawnColumns) -> None:
        self._context = context
        self._drawn = drawn
        self._pool = np.arange(context.plan.pool)
        self._forms = [context.plan.form_of(cell) for cell in context.plan.cells]
        self._few_shot_texts = [
            uses_few_shot_texts(context.plan, number) for number in range(len(self._forms))
        ]
        self._pairs: dict[tuple[int, bool, int, int], Pair | None] = {}
        self._pool_keys: dict[tuple[str, ...], Bits] = {}
        self._varies: dict[str, bool] = {}
        self._having: dict[tuple[str, ...], Indices] = {}

    def forget(self) -> None:
        """Lets rendered exemplars go; what is known of the pool stays."""
        self._pairs.clear()

    def add_exemplars(self, batch: Batch) -> None:
        """Puts exemplars before the few-shot queries of a batch that are sound so far.

        A prompt over the budget loses exemplars from the end; where none fits, or none may be
        shown, the draw fails.
        """
        context = self._context
        few_shot = np.asarray([c.few_shot for c in context.plan.cells], dtype=bool)
        sound = [
            p for p in np.flatnonzero(few_shot[batch.cells]).tolist() if p not in batch.failures
        ]
        if not sound:
            return
        places = np.asarray(sound, dtype=np.int64)
        shown_by_place = self._shown(batch, places)
        bits = random_bits(derive_seed(context.seed, "exemplar style"), batch.draws[places])
        ids = context.rows.ids(self._pool)
        instructions = self._instructions(batch, places)
        templates = batch.templates.tolist()
        for i, shown, instruction, style_bits in zip(
            sound, shown_by_place, instructions, bits.tolist(), strict=True
        ):
            if not shown:
                batch.failures[i] = ("no_exemplar", "no row of the pool may be shown beside it")
                continue
            direct = context.templates[templates[i]].direction == "direct"
            questions = context.plan.questions and direct
            number = self.style_number(style_bits, questions=questions, pair=shown[0][2])
            style = context.styles.exemplar_pool(questions=questions)[number]
            text, kept = self._within_budget(batch, i, shown, style, instruction)
            if not text:
                continue
            batch.inputs[i] = text
            batch.exemplar_rows[i] = [int(ids[row]) for _, row, _ in shown[:kept]]
            batch.layouts[i] = FewShotLayout(
                labels=style[0],
                separator=style[1],
                exemplars=tuple((template, row) for template, row, _ in shown[:kept]),
            )
            name = f"exemplars={style[0].id}/{style[1].id}"
            batch.styles[i] = f"{batch.styles[i]};{name}" if batch.styles[i] else name

    def style_number(self, bits: int, *, questions: bool, pair: Pair) -> int:
        """The place in its pool of the style that random bits choose.

        Another one is taken if its labels stand in the texts.
        """
        pool = self._context.styles.exemplar_pool(questions=questions)
        for further in range(MAX_STYLE_DRAWS):
            number = (bits + further) % len(pool)
            if not exemplars.doubles_label(pool[number][0], pair):
                break
        return number

    def _within_budget(
        self,
        batch: Batch,
        place: int,
        shown: list[Solved],
        style: tuple[ExemplarLabels, Separator],
        instruction: str,
    ) -> tuple[str, int]:
        """The longest prompt that fits and how many exemplars it has; a failure if none does."""
        settings, count_tokens = self._context.plan.settings, self._context.count_tokens
        limit = settings.input_chars
        query = batch.inputs[place]
        assert isinstance(query, str)
        labels, separator = style
        for count in range(len(shown), 0, -1):
            text = exemplars.join(
                [pair for _, _, pair in shown[:count]],
                query,
                labels=labels,
                separator=separator,
                instruction=instruction,
            )
            if limit and len(text) > limit:
                continue
            if not settings.input_tokens or count_tokens is None:
                return text, count
            (tokens,) = count_tokens([text])
            if tokens <= settings.input_tokens:
                return text, count
        found = f"{len(text)} characters; at most {limit}"
        if not limit or len(text) <= limit:
            found = f"{tokens} tokens; at most {settings.input_tokens}"
        batch.failures[place] = ("input_too_long", found)
        return "", 0

    # --- which exemplars ----------------------------------------------------------------

    def _shown(self, batch: Batch, places: Indices) -> list[list[Solved]]:
        """For each few-shot prompt pool rows with their pairs, as many as it asks for."""
        wanted = self.shots(batch.draws[places], batch.cells[places])
        shown = self._solved(batch, places, wanted)
        short = [at for at, pairs in enumerate(shown) if len(pairs) < wanted[at]]
        if short:
            # Some can be barred only once they are rendered; others take their places.
            more = self._solved(batch, places[short], wanted[short] + exemplars.SPARE_CANDIDATES)
            for at, pairs in zip(short, more, strict=True):
                shown[at] = pairs[: int(wanted[at])]
        return shown

    def shots(self, draws: Indices, cells: Indices) -> Indices:
        """How many exemplars each few-shot prompt asks for."""
        wanted = np.zeros(len(draws), dtype=np.int64)
        seed = shots_seed(self._context.seed)
        for cell in np.unique(cells).tolist():
            group = np.flatnonzero(cells == cell)
            wanted[group] = shots_asked(seed, draws[group], self._forms[cell].counts)
        return wanted

    def _solved(self, batch: Batch, places: Indices, wanted: Indices) -> list[list[Solved]]:
        """For each few-shot prompt pool rows with their rendered pairs, none of them a leak."""
        rows, counts = self.choose(
            batch.draws[places],
            batch.cells[places],
            batch.templates[places],
            batch.rows[places],
            attempt=batch.attempt,
            wanted=wanted,
        )
        chosen = [line[:n] for line, n in zip(rows.tolist(), counts.tolist(), strict=True)]
        used = self._exemplar_templates(batch, places, chosen)
        self._render(batch, places, chosen, used)
        result = []
        cells = batch.cells.tolist()
        for at, (i, pool_rows) in enumerate(zip(places.tolist(), chosen, strict=True)):
            number, own_texts = batch.option_styles[i], self._few_shot_texts[cells[i]]
            candidates: list[Solved] = []
            for template, row in zip(used[at], pool_rows, strict=True):
                pair = self._pairs[template, own_texts, row, number]
                if pair is not None:
                    candidates.append((template, row, pair))
            target = batch.targets[i]
            assert isinstance(target, str)
            if not self._is_label(batch, i, target):
                clean = exemplars.without_leaks([pair for _, _, pair in candidates], target)
                candidates = [candidates[c] for c in clean]
            result.append(candidates)
        return result

    def _is_label(self, batch: Batch, place: int, target: str) -> bool:
        """Whether a target is one of a set of answers that is the same for all rows.

        Such answers recur by nature, however long: barring them would give the right one away.
        """
        return (
            TARGET_ANSWER in batch.columns
            and not self.varies_in_pool("options")
            and bool(target == batch.columns[TARGET_ANSWER][place])
        )

    def choose(
        self,
        draws: Indices,
        cells: Indices,
        templates: Indices,
        rows: Indices,
        *,
        attempt: int,
        wanted: Indices,
    ) -> tuple[Indices, Indices]:
        """Pool rows for each few-shot prompt; what counts as the same depends on the template.

        Args:
          draws: of the prompts.
          cells: that they serve.
          templates: of their queries.
          rows: of their queries.
          attempt: how often the draws have failed.
          wanted: how many exemplars each prompt asks for.

        Returns:
          A line of rows for each prompt, and how many of them count.
        """
        seed = derive_seed(self._context.seed, "exemplars", attempt)
        chosen = np.zeros((len(draws), int(wanted.max())), dtype=np.int64)
        counts = np.zeros(len(draws), dtype=np.int64)
        # What a choice follows from is the same for many templates of a task.
        alike: dict[tuple[tuple[str, ...], tuple[str, ...], bool], list[int]] = {}
        keys = cells * len(self._context.templates) + templates
        met, group_of = distinct(keys)
        for place, key in enumerate(met.tolist()):
            cell, template = divmod(key, len(self._context.templates))
            names = self._asking_fields(template, few_shot=self._few_shot_texts[cell])
            required = self._context.templates[template].requires
            alike.setdefault((names, required, self._forms[cell].fixed), []).append(place)
        for (names, required, fixed), of in alike.items():
            group = np.flatnonzero(np.isin(group_of, of))
            able = self._able(required)
            found, held = exemplars.choose(
                seed,
                draws[group],
                wanted=wanted[group],
                pool_keys=self._keys_of_pool(names)[able],
                query_keys=self._keys(names, rows[group]),
                fixed=fixed,
            )
            if len(able):
                chosen[group, : found.shape[1]] = able[found]
            counts[group] = held
        return chosen, counts

    def _able(self, required: tuple[str, ...]) -> Indices:
        """Pool rows that have all of some fields."""
        if not required:
            return self._pool
        if required not in self._having:
            columns = self._context.rows.columns(required, self._pool)
            has_all = [all(values) for values in zip(*columns.values(), strict=True)]
            self._having[required] = np.flatnonzero(has_all)
        return self._having[required]

    def _asking_fields(self, template: int, *, few_shot: bool) -> tuple[str, ...]:
        """Fields that say what a prompt of this template asks.

        Fields that are the same in the whole pool, such as a task's definition, tell
        nothing apart. Where none is left, all of the pool asks the same thing, unless the
        prompt also shows an answer: then the row itself counts.
        """
        text = self._context.templates[template].input_for(few_shot=few_shot)
        derived = {"dialog_text": "turns", "options_text": "options"}
        answers = {"options", "answer", "answer_text", "answers", "answer_index"}
        names = {derived.get(name, name) for name in text.names}
        asking = sorted((names - answers) & set(self._context.rows.fields))
        telling = tuple(name for name in asking if self.varies_in_pool(name))
        return telling if telling or names & answers else tuple(asking)

    def varies_in_pool(self, name: str) -> bool:
        """Whether not all rows of the pool have the same in a field."""
        if name not in self._varies:
            keys = self._context.rows.keys(name, self._pool)
            self._varies[name] = bool((keys != keys[:1]).any())
        return self._varies[name]

    def _keys_of_pool(self, names: tuple[str, ...]) -> Bits:
        if names not in self._pool_keys:
            self._pool_keys[names] = self._keys(names, self._pool)
        return self._pool_keys[names]

    def _keys(self, names: tuple[str, ...], rows: Indices) -> Bits:
        if not names:
            return self._context.rows.ids(rows).astype(np.uint64)
        keys = np.zeros(len(rows), dtype=np.uint64)
        for name in names:
            # Chained, so that equal keys need equal fields in the same places.
            keys = random_bits(derive_seed(0, name), keys ^ self._context.rows.keys(name, rows))
        return keys

    # --- their texts --------------------------------------------------------------------

    def _exemplar_templates(
        self, batch: Batch, places: Indices, chosen: list[list[int]]
    ) -> list[list[int]]:
        """The template of each exemplar: the query's, or one of its own where they are mixed."""
        templates = batch.templates[places].tolist()
        seed = derive_seed(self._context.seed, "exemplar templates")
        draws, cells = batch.draws[places].tolist(), batch.cells[places].tolist()
        result = []
        for draw, cell, template, rows in zip(draws, cells, templates, chosen, strict=True):
            if self._few_shot_texts[cell]:
                result.append([template] * len(rows))
                continue
            serving = self._context.plan.cells[cell].templates
            able = [i for i in serving if not self._context.templates[i].requires] or [template]
            bits = random_bits(derive_seed(seed, "draw", draw), np.arange(len(rows)))
            result.append([able[i] for i in below(bits, len(able)).tolist()])
        return result

    def _render(
        self, batch: Batch, places: Indices, chosen: list[list[int]], used: list[list[int]]
    ) -> None:
        """Renders each exemplar text that is needed once, into the cache of pairs."""
        context = self._context
        needed: dict[tuple[int, bool], set[tuple[int, int]]] = {}
        cells = batch.cells.tolist()
        for i, rows, templates in zip(places.tolist(), chosen, used, strict=True):
            number, own_texts = batch.option_styles[i], self._few_shot_texts[cells[i]]
            for template, row in zip(templates, rows, strict=True):
                if (template, own_texts, row, number) not in self._pairs:
                    needed.setdefault((template, own_texts), set()).add((row, number))
        for (template, own_texts), wanted in needed.items():
            keys = sorted(wanted)
            indices = np.asarray([row for row, _ in keys], dtype=np.int64)
            fields = context.fields_for([(template, own_texts)])
            columns = context.rows.columns(fields, indices)
            self._drawn.add_to_exemplars(columns, indices, [number for _, number in keys])
            inputs, targets = render_pairs(
                context.templates[template], columns, len(keys), few_shot=own_texts
            )
            for (row, number), shown, solved in zip(keys, inputs, targets, strict=True):
                sound = isinstance(shown, str) and isinstance(solved, str) and shown and solved
                pair = (str(shown), str(solved)) if sound else None
                self._pairs[template, own_texts, row, number] = pair

    def _instructions(self, batch: Batch, places: Indices) -> list[str]:
        """What stands above the exemplars of each prompt; a draw fails where that fails."""
        result = [""] * len(places)
        own_texts = np.asarray(self._few_shot_texts)[batch.cells[places]]
        templates = batch.templates[places]
        for template in np.unique(templates[own_texts]).tolist():
            source = self._context.templates[template].instruction
            if not source:
                continue
            group = np.flatnonzero((templates == template) & own_texts).tolist()
            columns = {
                name: [values[places[at]] for at in group] for name, values in batch.columns.items()
            }
            texts = compile_text(source).render_many(columns, len(group))
            for at, text in zip(group, texts, strict=True):
                if isinstance(text, Exception):
                    reason = f"instruction: {describe(text)}"
                    batch.failures[int(places[at])] = ("render_error", reason)
                else:
                    result[at] = text
        return result
