"""A review as one HTML page that needs nothing but itself.

Cards, templates and rows may come from strangers. What stands in the page's markup is escaped;
prompts and rows stand in it as JSON, from which the page's script makes text and nothing else;
and a Content-Security-Policy lets no script run and no style apply but the page's own. As JSON
with each text held once, 200 tasks are a few megabytes, and a task costs nothing until it is
opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mixture_builder.cards import CardSource, TaskCard
from mixture_builder.jobs.inspect.html import (
    KIND_NAMES,
    inert_json,
    page_head,
    page_script,
    page_style,
)
from mixture_builder.jobs.inspect.preview import PreviewedExample
from mixture_builder.jobs.inspect.preview_rows import PreviewedRow
from mixture_builder.jobs.inspect.review import Review, ReviewedTask, ReviewedTemplate
from mixture_builder.render.parts import PART_KINDS, Part
from mixture_builder.variants import DIRECTIONS, VARIANTS
from mixture_builder.version import __version__


def page(review: Review) -> str:
    """The whole page."""
    style = page_style(Path(__file__).with_suffix(".css"))
    script = page_script(Path(__file__).with_suffix(".js"))
    title = f"Templates of {review.wanted}"
    about = {
        "kinds": list(PART_KINDS),
        "names": [KIND_NAMES[kind][0] for kind in PART_KINDS],
    }
    return "".join(
        [
            page_head(title, style=style, script=script),
            _header(review, title),
            _list(review),
            '<main id="tasks">\n',
            *(_task(number, task) for number, task in enumerate(review.tasks)),
            _left_out(review.left_out),
            "</main>\n",
            f'<script type="application/json" id="about">{inert_json(about)}</script>\n',
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def _header(review: Review, title: str) -> str:
    templates = sum(len(task.templates) for task in review.tasks)
    numbers = {"task": len(review.tasks), "template": templates, "example": review.examples}
    counts = ", ".join(f"{n:,} {thing}{'s' if n != 1 else ''}" for thing, n in numbers.items())
    most_rows = max((len(task.rows) for task in review.tasks), default=0)
    used = {e.variant for task in review.tasks for t in task.templates for e in t.examples}
    variants = "".join(
        f'<label><input type="checkbox" name="variant" value="{v}" checked> {v}</label>'
        for v in VARIANTS
        if v in used
    )
    directions = "".join(f'<option value="{d}">{d} only</option>' for d in DIRECTIONS)
    numbered = "".join(f'<option value="{n}">row {n + 1}</option>' for n in range(most_rows))
    legend = "".join(
        f'<li><span class="p k-{kind}">{escape(name)}</span> {escape(meaning)}</li>'
        for kind, (name, meaning) in KIND_NAMES.items()
    )
    return f"""<header>
<h1>{escape(title)}</h1>
<p>{counts}. Recipe <code>{escape(review.recipe)}</code>, seed {review.seed}; mixture-builder \
{escape(__version__)}.</p>
<noscript><p class="warning">Prompts are put together by a script in this page; without scripts \
only the list of tasks is shown.</p></noscript>
<details id="legend" open><summary>Legend</summary>
<ul class="legend">{legend}\
<li><span class="p k-query"><span class="field">underlined</span></span> filled from the row</li>\
</ul></details>
</header>
<form id="filters" role="search" aria-label="Filter tasks and examples">
<label class="wide">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" \
placeholder="any words of a task, template or prompt"></label>
<fieldset><legend>Variants</legend>{variants}</fieldset>
<label>Direction <select id="direction"><option value="">all</option>{directions}</select></label>
<label>Rows <select id="rows">{numbered}<option value="">all rows</option></select></label>
<fieldset><legend>Show</legend>
<label><input type="checkbox" id="names"> names of parts</label>
<label><input type="checkbox" id="ends"> line ends</label>
<label><input type="checkbox" id="keys" checked> keys \
(<kbd>/</kbd> filter, <kbd>j</kbd> <kbd>k</kbd> next, previous task)</label></fieldset>
<span class="buttons"><button type="button" id="open">Open all</button>
<button type="button" id="close">Close all</button></span>
<output id="found" aria-live="polite"></output>
</form>
"""


def _list(review: Review) -> str:
    if len(review.tasks) < 2:
        return ""
    links = "".join(
        f'<li><a href="#{escape(task.card.id)}">{escape(task.card.id)}</a></li>'
        for task in review.tasks
    )
    return f'<nav aria-label="Tasks"><ol id="list">{links}</ol></nav>\n'


def _task(number: int, task: ReviewedTask) -> str:
    card = task.card
    cells = set[str]()
    for t in task.templates:
        variants = {e.variant for e in t.examples} | {d.variant for d in t.dropped}
        cells |= {f"{variant}:{t.template.direction}" for variant in variants}
    inverted = sum(t.template.direction == "inverted" for t in task.templates)
    meta = [
        card.kind,
        f"{card.known_rows:,} rows" if card.known_rows is not None else "rows not known",
        card.licence["id"],
        f"{len(task.templates)} templates" + (f", {inverted} inverted" if inverted else ""),
    ]
    failed = sum(len(t.dropped) for t in task.templates)
    if failed:
        meta.append(f"{failed} not rendered")
    return (
        f'<details class="task" id="{escape(card.id)}" data-task="{number}" '
        f'data-cells="{" ".join(sorted(cells))}">'
        f"<summary><h2>{escape(card.id)}</h2> "
        f'<span class="title" dir="auto">{escape(card.title)}</span> '
        f'<span class="meta">{escape(" · ".join(meta))}</span></summary>'
        f'<div class="body"></div></details>\n'
        f'<script type="application/json" id="data-{number}">{inert_json(_data(task))}</script>\n'
    )


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return ""
    listed = "".join(
        f"<dt>{escape(task)}</dt><dd><pre>{escape(why)}</pre></dd>"
        for task, why in left_out.items()
    )
    return f'<section class="left-out"><h2>Not shown</h2><dl>{listed}</dl></section>\n'


# --- the data of one task ---------------------------------------------------------------


class _Texts:
    """Texts by number, each held once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def all(self) -> list[str]:
        return list(self._numbers)


def _data(task: ReviewedTask) -> dict[str, Any]:
    """What the page's script reads; see `review_page.js`."""
    texts = _Texts()
    card = task.card
    places = {row.number: place for place, row in enumerate(task.rows)}
    data = {
        "id": card.id,
        "lang": card.languages[0] if len(card.languages) == 1 else "",
        "description": card.description.strip(),
        "facts": _facts(task),
        "rows": [_row(row, task.stored) for row in task.rows],
        "templates": [_template(t, texts, places) for t in task.templates],
    }
    return {**data, "texts": texts.all()}


def _facts(task: ReviewedTask) -> list[tuple[str, str]]:
    card = task.card
    licence = [card.licence["id"], card.licence.get("read_at", ""), card.licence.get("note", "")]
    rows = f"{card.known_rows:,}" if card.known_rows is not None else "not known"
    facts = [
        ("kind", f"{card.kind}, with a chain of thought" if card.cot else card.kind),
        ("category", card.category),
        ("languages", ", ".join(card.languages)),
        ("licence", "; ".join(text for text in licence if text)),
        ("size", f"{rows} rows ({card.size.get('from', '')})"),
    ]
    facts += [("source", _source(source)) for source in card.sources]
    if card.availability:
        state, note = card.availability["state"], card.availability.get("note", "")
        facts.append(("availability", f"{state}: {note}" if note else state))
    facts += [("held out", note) for note in card.held_out]
    if card.notes:
        facts.append(("notes", card.notes.strip()))
    facts += [
        ("templates", card.templates),
        ("card", card.file),
        ("recipe", _place_in_recipe(task)),
        ("rows shown", _origin(task, card)),
    ]
    return facts


def _source(alternative: CardSource) -> str:
    source = alternative.source
    if source.kind == "hub":
        words = ["Hub dataset", source.dataset, source.config, *source.files]
    else:
        words = [*source.files]
    words += [f"split {source.split}", f"revision {source.revision}" if source.revision else ""]
    return ", ".join(word for word in words if word)


def _place_in_recipe(task: ReviewedTask) -> str:
    if task.named:
        return f"part {task.submixture}"
    return "does not name this task; shown with the recipe's outermost settings"


def _origin(task: ReviewedTask, card: TaskCard) -> str:
    if task.stored:
        return f"the first {len(task.rows)} of {task.all_rows:,} in the store"
    return f"{len(task.rows)} of the {len(card.sample)} sample records (it is not in the store)"


def _row(row: PreviewedRow, stored: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "name": f"row {row.number}" if stored else f"sample[{row.number}]",
        "place": row.place,
        "id": str(row.row),  # beyond what a script holds exactly as a number
        "record": _pairs(row.record) if row.record is not None else None,
        "fields": _pairs(row.fields),
    }


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str | list[str]]]:
    return [(name, _plain(value)) for name, value in values.items()]


def _plain(value: Any) -> str | list[str]:
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_plain(item) for item in value]
        return [item if isinstance(item, str) else ", ".join(item) for item in items]
    return str(value)


def _template(
    reviewed: ReviewedTemplate, texts: _Texts, places: Mapping[int, int]
) -> dict[str, Any]:
    template = reviewed.template
    written = [
        ("input", template.input),
        ("target", template.target),
        ("few-shot instruction", template.instruction),
        ("few-shot input", template.few_shot_input),
        ("few-shot target", template.few_shot_target),
    ]
    return {
        "id": template.id,
        "direction": template.direction,
        "requires": list(template.requires),
        "written": [(name, text) for name, text in written if text],
        "examples": [_example(e, texts, places) for e in reviewed.examples],
        "dropped": [(d.variant, places[d.number], d.why) for d in reviewed.dropped],
    }


def _example(example: PreviewedExample, texts: _Texts, places: Mapping[int, int]) -> dict[str, Any]:
    return {
        "variant": example.variant,
        "row": places[example.number],
        "style": example.style,
        "shots": example.num_exemplars,
        "prompt": _numbers(example.parts.prompt, texts),
        "target": _numbers(example.parts.target, texts),
    }


def _numbers(parts: Sequence[Part], texts: _Texts) -> list[int]:
    """Four numbers for each part: kind, text, field, exemplar."""
    numbers: list[int] = []
    for part in parts:
        kind = PART_KINDS.index(part.kind)
        numbers += [kind, texts.number(part.text), texts.number(part.field), part.exemplar]
    return numbers
