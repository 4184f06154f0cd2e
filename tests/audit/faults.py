"""Kinds of faults that are planted in a clean mixture, and the checks that ought to find each.

Extents were set before anything was audited: one record, a handful, and a share of a task that
somebody would want to know of. They are not made larger until a check speaks up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.frames import frame_of
from mixture_builder.audit.layouts import ExemplarLayout, OptionLayout
from mixture_builder.audit.source_answers import MOST_LABELS
from tests.audit import held_out_items
from tests.audit.held_out_items import ITEMS, Dress

Record = dict[str, Any]
Extent = int | float
"""How many records; or, below 1, which share of those of a task that can have the fault."""

Change = Callable[[AuditContext, Record, Random], "Record | None"]
"""The record with the fault, or `None` where it cannot have it. It changes nothing in place."""

Plant = Callable[[AuditContext, Sequence[Record], Random, Extent], tuple[list[Record], int]]
"""The records of a task with the fault, and how many have it; 0 if the task cannot have it."""

FEW: tuple[Extent, ...] = (1, 5, 0.05)
SHARES: tuple[Extent, ...] = (0.05, 0.2, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A sort of fault.

    Attributes:
      name: what goes wrong.
      checks: any of them is a right one.
      plant: puts it into the records of one task.
      extents: each is tried, in different tasks.
      times: how often each is tried, with seeds of their own.
      tasks: where; any that can have it if empty.
    """

    name: str
    checks: tuple[str, ...]
    plant: Plant
    extents: tuple[Extent, ...] = FEW
    times: int = 2
    tasks: tuple[str, ...] = ()


def each(change: Change) -> Plant:
    """Changes records that are chosen by chance."""

    def plant(
        context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
    ) -> tuple[list[Record], int]:
        result = list(records)
        # What a record becomes must not depend on how many come before it.
        changed = {
            place: new
            for place, record in enumerate(records)
            if (new := change(context, record, random)) is not None and new != record
        }
        wanted = extent if isinstance(extent, int) else max(1, round(extent * len(changed)))
        if len(changed) < wanted:
            return result, 0
        for place in random.sample(sorted(changed), wanted):
            result[place] = changed[place]
        return result, wanted

    return plant


def column(name: str, change: Callable[[str], str]) -> Change:
    """Changes a text."""
    return lambda context, record, random: {**record, name: change(record[name])}


def few_shot_layout(context: AuditContext, record: Record) -> ExemplarLayout | None:
    """How the exemplars of a record are set off, if it has some that can be told apart."""
    if record["num_exemplars"] < 2:
        return None
    layout = context.layouts.exemplars(context.style_book.drawn(record["style"]))
    if layout is None:
        return None
    pieces = record["inputs"].count(layout.marker.decode())
    return layout if layout.before and pieces == record["num_exemplars"] else None


def option_layout(context: AuditContext, record: Record) -> OptionLayout | None:
    """How the options of a record are listed, if its target is a label of them."""
    layout = context.layouts.options(context.style_book.drawn(record["style"]))
    return layout if layout and layout.label_index(record["targets"]) >= 0 else None


def is_direct(context: AuditContext, record: Record) -> bool:
    """Whether the answer is predicted, not asked about."""
    task = context.tasks[record["task_id"]]
    return task.templates[task.template_places[record["template_id"]]].direction == "direct"


def _lost_field(context: AuditContext, record: Record, random: Random) -> Record | None:
    if record["num_exemplars"]:
        return None
    task = context.tasks[record["task_id"]]
    template = task.templates[task.template_places[record["template_id"]]]
    shows = bool(context.style_book.drawn(record["style"]).options)
    words = [w.decode() for w in frame_of(template.input, shows_options=shows).words]
    text, at, gaps = record["inputs"], 0, []
    for number, word in enumerate(words):
        found = len(text) if number + 1 == len(words) and not word else text.find(word, at)
        if found < 0:
            return None
        if number:
            gaps.append((at, found))
        at = found + len(word)
    gaps = [(a, b) for a, b in gaps if text[a:b].strip()]
    if not gaps:
        return None
    start, end = random.choice(gaps)
    return {**record, "inputs": text[:start] + text[end:]}


def _cut_prompt(context: AuditContext, record: Record, random: Random) -> Record:
    text = record["inputs"]
    return {**record, "inputs": text[: random.randint(len(text) // 4, 3 * len(text) // 4)]}


def _other_template(context: AuditContext, record: Record, random: Random) -> Record | None:
    task = context.tasks[record["task_id"]]
    cells = [c for c in task.plan.cells if c.variant == record["variant"]]
    names = {task.templates[place].id for cell in cells for place in cell.templates}
    others = sorted(names - {record["template_id"]})
    return {**record, "template_id": random.choice(others)} if others else None


def _dropped_separator(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None:
        return None
    pieces = record["inputs"].split(layout.marker.decode())
    at = random.randrange(1, len(pieces))
    pieces[at - 1 : at + 1] = [pieces[at - 1] + " " + pieces[at]]
    return {**record, "inputs": layout.marker.decode().join(pieces)}


def _changed_delimiter(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None:
        return None
    marker = layout.marker.decode()
    other = "\n---\n" + layout.before.decode()
    return (
        None if marker == other else {**record, "inputs": record["inputs"].replace(marker, other)}
    )


def _changed_label(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None or not layout.tail.strip():
        return None
    text = record["inputs"][: -len(layout.tail.decode())]
    return {**record, "inputs": text + "\nReply ->"}


def _no_query_label(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None or not layout.tail.strip():
        return None
    return {**record, "inputs": record["inputs"][: -len(layout.tail.decode())]}


def _exemplar_twice(*, in_columns: bool) -> Change:
    def change(context: AuditContext, record: Record, random: Random) -> Record | None:
        layout = few_shot_layout(context, record)
        if layout is None:
            return None
        pieces = record["inputs"].split(layout.marker.decode())
        if len(pieces) < 4:
            return None
        rows = list(record["exemplar_rows"])
        pieces[2] = pieces[1]
        rows[2] = rows[1]
        new = {**record, "inputs": layout.marker.decode().join(pieces)}
        return {**new, "exemplar_rows": rows} if in_columns else new

    return change


def _query_shown(dress: Callable[[str], str], *, in_columns: bool) -> Change:
    def change(context: AuditContext, record: Record, random: Random) -> Record | None:
        layout = few_shot_layout(context, record)
        if layout is None or not layout.tail.strip() or not is_direct(context, record):
            return None
        pieces = record["inputs"].split(layout.marker.decode())
        query = pieces[-1][: -len(layout.tail.decode())]
        pieces[1] = dress(query) + layout.between.decode() + record["targets"]
        if (dress(query) == query and dress is not str) or len(pieces) < 3:
            return None
        new = {**record, "inputs": layout.marker.decode().join(pieces)}
        rows = [record["exemplar_rows"][0], record["row"], *record["exemplar_rows"][2:]]
        return {**new, "exemplar_rows": rows} if in_columns else new

    return change


def _answer_shown(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None or context.tasks[record["task_id"]].lists_options:
        return None
    if len(record["targets"]) < 24:
        return None
    pieces = record["inputs"].split(layout.marker.decode())
    pieces[-2] += " " + record["targets"]
    return {**record, "inputs": layout.marker.decode().join(pieces)}


def _exemplar_lost(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None:
        return None
    pieces = record["inputs"].split(layout.marker.decode())
    del pieces[1]
    return {**record, "inputs": layout.marker.decode().join(pieces)}


def _shots(context: AuditContext, record: Record, random: Random) -> Record | None:
    if not record["num_exemplars"]:
        return None
    return {**record, "num_exemplars": record["num_exemplars"] - 1}


def _more_shots(context: AuditContext, record: Record, random: Random) -> Record | None:
    rows = record["exemplar_rows"]
    settings = context.tasks[record["task_id"]].plan.settings
    if not rows or len(rows) < max(count for count, _ in settings.shots.counts):
        return None
    return {**record, "num_exemplars": len(rows) + 1, "exemplar_rows": [*rows, rows[0] ^ 1]}


def _two_shots(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = few_shot_layout(context, record)
    if layout is None or record["num_exemplars"] < 3:
        return None
    pieces = record["inputs"].split(layout.marker.decode())
    kept = [pieces[0], pieces[1], pieces[-1]]
    return {
        **record,
        "inputs": layout.marker.decode().join(kept),
        "num_exemplars": 2,
        "exemplar_rows": record["exemplar_rows"][:2],
    }


def _other_exemplar_row(context: AuditContext, record: Record, random: Random) -> Record | None:
    rows = list(record["exemplar_rows"])
    if not rows:
        return None
    rows[0] = random.getrandbits(62)
    return {**record, "exemplar_rows": rows}


def _label(place: Callable[[int, Random], int]) -> Change:
    """The label of another option."""

    def change(context: AuditContext, record: Record, random: Random) -> Record | None:
        layout = option_layout(context, record)
        if layout is None or not is_direct(context, record):
            return None
        index = layout.label_index(record["targets"])
        label = layout.item.label_of(place(index, random))
        return {**record, "targets": label} if label else None

    return change


def _no_list(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = option_layout(context, record)
    if layout is None or record["num_exemplars"]:
        return None
    text = record["inputs"]
    marks = [layout.prefix(i).decode().strip() for i in range(8)]
    lines = [
        ln for ln in text.split("\n") if not any(m and ln.strip().startswith(m) for m in marks)
    ]
    return {**record, "inputs": "\n".join(lines)}


def _label_to_text(context: AuditContext, record: Record, random: Random) -> Record | None:
    if option_layout(context, record) is None or not is_direct(context, record):
        return None
    return {**record, "targets": "the one in the middle"}


def _not_listed(context: AuditContext, record: Record, random: Random) -> Record | None:
    layout = context.layouts.options(context.style_book.drawn(record["style"]))
    if layout is None or layout.item.enumerate or not is_direct(context, record):
        return None
    return {**record, "targets": "an answer of another task"}


def _where(test: Callable[[AuditContext, Record], bool], change: Change) -> Change:
    return lambda context, record, random: (
        change(context, record, random) if test(context, record) else None
    )


def _prose(context: AuditContext, record: Record) -> bool:
    return len(record["targets"]) >= 40 and record["targets"].rstrip()[-1:] in ".!?"


def _cut_sentence(context: AuditContext, record: Record, random: Random) -> Record:
    words = record["targets"].split(" ")
    return {**record, "targets": " ".join(words[: max(1, len(words) * 2 // 3)])}


def _unrendered(context: AuditContext, record: Record, random: Random) -> Record | None:
    task = context.tasks[record["task_id"]]
    source = task.templates[task.template_places[record["template_id"]]].input
    start = source.find("{{")
    if start < 0:
        return None
    printed = source[start : source.find("}}", start) + 2]
    name = random.choice(["inputs", "targets"])
    return {**record, name: f"{record[name]} {printed}"}


def _mojibake(encoding: str) -> Change:
    def change(context: AuditContext, record: Record, random: Random) -> Record | None:
        try:
            return {**record, "targets": record["targets"].encode("utf-8").decode(encoding)}
        except UnicodeDecodeError:
            return None

    return change


_RUSSIAN = "Это предложение написано на языке, которого карточка не называет."
_LATIN = "This sentence is in a language that has another script altogether."


def swapped_targets(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """Pairs of records of a task exchange their targets."""
    result = list(records)
    wanted = max(2, extent if isinstance(extent, int) else round(extent * len(records)))
    places = random.sample(range(len(records)), len(records))
    changed = 0
    while changed + 2 <= max(2, wanted) and len(places) >= 2:
        a = places.pop()
        b = next((p for p in places if records[p]["targets"] != records[a]["targets"]), None)
        if b is None:
            continue
        places.remove(b)
        result[a] = {**records[a], "targets": records[b]["targets"]}
        result[b] = {**records[b], "targets": records[a]["targets"]}
        changed += 2
    return result, changed


def _held_out(dress: Dress, *, fewest: int = 0) -> Change:
    """A held-out item stands in the prompt, as a dress has it; `fewest` words in its question."""

    def change(context: AuditContext, record: Record, random: Random) -> Record | None:
        items = [item for item in ITEMS if len(item[0].split()) >= fewest]
        if dress is held_out_items.in_another_order:
            items = [item for item in items if len(item) > 1]
        item = dress(random.choice(items), random)
        return {**record, "inputs": f"{held_out_items.written(item)}\n\n{record['inputs']}"}

    return change


def answers_turned(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """Targets that are an answer as text are the answer that comes next, in a share of them."""
    plain = [
        r
        for r in records
        if is_direct(context, r) and option_layout(context, r) is None and len(r["targets"]) < 40
    ]
    labels = sorted({r["targets"] for r in plain})
    if not 2 <= len(labels) <= MOST_LABELS or isinstance(extent, int):
        return list(records), 0
    # The one answer that is turned into the next: what all answers do to each other is no shift.
    first, other = random.sample(labels, 2)
    places = [
        place
        for place, r in enumerate(records)
        if r["targets"] == first and is_direct(context, r) and option_layout(context, r) is None
    ]
    result = list(records)
    chosen = random.sample(places, max(1, round(extent * len(places))))
    for place in chosen:
        result[place] = {**records[place], "targets": other}
    return result, len(chosen)


def removed(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """Records are missing."""
    count = extent if isinstance(extent, int) else max(1, round(extent * len(records)))
    gone = set(random.sample(range(len(records)), count))
    return [r for place, r in enumerate(records) if place not in gone], count


def added(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """Records come twice."""
    count = extent if isinstance(extent, int) else max(1, round(extent * len(records)))
    return [*records, *random.sample(list(records), count)], count


def template_in_place_of_another(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """Draws of one template are said with another, truly: text and column agree."""
    by_cell: dict[tuple[str, str], list[int]] = {}
    for place, record in enumerate(records):
        by_cell.setdefault((record["variant"], record["template_id"]), []).append(place)
    variant = random.choice(sorted({v for v, _ in by_cell}))
    names = sorted(t for v, t in by_cell if v == variant)
    if len(names) < 2:
        return list(records), 0
    one, other = random.sample(names, 2)
    result = list(records)
    places = by_cell[variant, one]
    wanted = len(places) if extent == 1.0 else max(2, min(int(extent) or 2, len(places)))
    for number, place in enumerate(places[:wanted]):
        twin = records[by_cell[variant, other][number % len(by_cell[variant, other])]]
        result[place] = {**twin, "draw": records[place]["draw"]}
    return result, len(places[:wanted])


def template_unused(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """A template's records are gone from all variants."""
    task = context.tasks[records[0]["task_id"]]
    names = sorted({r["template_id"] for r in records} & set(task.template_places))
    gone = random.choice(names)
    kept = [r for r in records if r["template_id"] != gone]
    return kept, len(records) - len(kept)


def answers_in_prompts(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """A template shows the target."""
    long = [r for r in records if len(r["targets"]) >= 24 and is_direct(context, r)]
    names = sorted({r["template_id"] for r in long if not r["num_exemplars"]})
    if not names:
        return list(records), 0
    leaky = random.choice(names)
    leaking = {
        place
        for place, record in enumerate(records)
        if record["template_id"] == leaky and not record["num_exemplars"]
    }
    result = [
        {**record, "inputs": f"{record['inputs']}\n{record['targets']}"}
        if place in leaking
        else record
        for place, record in enumerate(records)
    ]
    return result, len(leaking)


def cut_at(size: int) -> Plant:
    """All targets that are longer are cut at a size."""

    def plant(
        context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
    ) -> tuple[list[Record], int]:
        count = sum(len(r["targets"]) > size for r in records)
        if count < 20:
            return list(records), 0
        return [{**r, "targets": r["targets"][:size]} for r in records], count

    return plant


def conflicting(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """A prompt comes a second time, in place of another record, with another target."""
    sources = [r for r in records if not r["num_exemplars"] and is_direct(context, r)]
    targets = sorted({r["targets"] for r in sources})
    count = extent if isinstance(extent, int) else max(1, round(extent * len(records)))
    result = list(records)
    places = [p for p, r in enumerate(records) if not r["num_exemplars"] and is_direct(context, r)]
    for place in random.sample(places, count):
        twin = random.choice(sources)
        others = [t for t in targets if t != twin["targets"]]
        result[place] = {
            **twin,
            "draw": records[place]["draw"],
            "targets": random.choice(others),
        }
    return result, count


def style_uneven(
    context: AuditContext, records: Sequence[Record], random: Random, extent: Extent
) -> tuple[list[Record], int]:
    """Separators of exemplars are one, in text and column, in a share of the few-shot records."""
    share = float(extent)
    result, count = [], 0
    for record in records:
        layout = few_shot_layout(context, record)
        if layout is None or random.random() >= share:
            result.append(record)
            continue
        head, _, separator = record["style"].rpartition("/")
        one = context.layouts.exemplars(context.style_book.drawn(f"{head}/blank_line"))
        if one is None or separator == "blank_line":
            result.append(record)
            continue
        text = record["inputs"].replace(layout.marker.decode(), one.marker.decode())
        result.append({**record, "inputs": text, "style": f"{head}/blank_line"})
        count += 1
    return result, count


def _style(name: str) -> Change:
    return lambda context, record, random: (
        {**record, "style": record["style"].replace("/", f"/{name}_", 1)}
        if record["style"]
        else None
    )


def _zero_shot(context: AuditContext, record: Record) -> bool:
    return not record["num_exemplars"]


def _variant(context: AuditContext, record: Record, random: Random) -> Record | None:
    other = {"zs_opt": "zs_noopt", "fs_opt": "fs_noopt"}.get(record["variant"])
    return {**record, "variant": other} if other else None


CLOSED = ("quickstart/reviews", "quickstart/entailment", "quickstart/science_choice")
LABELLED = (*CLOSED, "quickstart/japanese_topics")
PROSE = ("quickstart/summaries", "quickstart/conversations", "quickstart/arabic_english")
ENGLISH = ("quickstart/summaries", "quickstart/conversations", "quickstart/passage_answers")

ROWS = "content/not_as_rendered"

NEED_ROWS = frozenset([ROWS, "labels/balance", "labels/unknown"])
"""Checks that are made only where the store holds the rows."""

KINDS: tuple[Kind, ...] = (
    Kind(
        name="a field of the prompt is lost",
        checks=("template/gap", "template/words"),
        plant=each(_lost_field),
    ),
    Kind(
        name="a prompt is cut",
        checks=("template/words", "shots/query_label", "shots/separator"),
        plant=each(_cut_prompt),
    ),
    Kind(
        name="a prompt is said with another template than its column names",
        checks=("template/words", "template/gap", "coverage/template_count"),
        plant=each(_other_template),
    ),
    Kind(
        name="a separator between exemplars is dropped",
        checks=("shots/separator",),
        plant=each(_dropped_separator),
    ),
    Kind(
        name="separators are others than the style says",
        checks=("shots/separator",),
        plant=each(_changed_delimiter),
    ),
    Kind(
        name="the label of the target is another than the style says",
        checks=("shots/query_label",),
        plant=each(_changed_label),
    ),
    Kind(
        name="the label of the target is missing",
        checks=("shots/query_label",),
        plant=each(_no_query_label),
    ),
    Kind(
        name="an exemplar comes twice",
        checks=("shots/exemplar_twice",),
        plant=each(_exemplar_twice(in_columns=True)),
    ),
    Kind(
        name="an exemplar comes twice, and the columns hide it",
        checks=("shots/exemplar_twice", ROWS),
        plant=each(_exemplar_twice(in_columns=False)),
    ),
    Kind(
        name="the query is one of its exemplars",
        checks=("shots/query_shown", "shots/query_row"),
        plant=each(_query_shown(str, in_columns=True)),
    ),
    Kind(
        name="the query is one of its exemplars, and the columns hide it",
        checks=("shots/query_shown",),
        plant=each(_query_shown(str, in_columns=False)),
    ),
    Kind(
        name="an exemplar is the query in capitals",
        checks=("shots/query_nearly_shown",),
        plant=each(_query_shown(str.upper, in_columns=False)),
        tasks=("quickstart/sums", "quickstart/summaries", "quickstart/reviews"),
    ),
    Kind(
        name="an exemplar shows the target of the query",
        checks=("shots/answer_shown",),
        plant=each(_answer_shown),
    ),
    Kind(
        name="an exemplar is missing from the text",
        checks=("shots/separator",),
        plant=each(_exemplar_lost),
    ),
    Kind(
        name="the number of exemplars is wrong",
        checks=("coverage/shots_of_variant",),
        plant=each(_shots),
    ),
    Kind(
        name="more exemplars than the recipe asks for",
        checks=("coverage/unplanned_shots",),
        plant=each(_more_shots),
    ),
    Kind(
        name="prompts of a task show two exemplars in place of more",
        checks=("coverage/shots", ROWS),
        plant=each(_two_shots),
        extents=SHARES,
    ),
    Kind(
        name="an exemplar's row is wrong",
        checks=(ROWS,),
        plant=each(_other_exemplar_row),
    ),
    Kind(
        name="the label is of an option that is not listed",
        checks=("options/label_beyond_list", "options/no_label"),
        plant=each(_label(lambda index, random: index + 12)),
        tasks=LABELLED,
    ),
    Kind(
        name="the label is of a wrong option that is listed",
        checks=(ROWS,),
        plant=each(_label(lambda index, random: 0 if index else 1)),
        tasks=LABELLED,
    ),
    Kind(
        name="the right option is always the first",
        checks=("options/positions",),
        plant=each(_label(lambda index, random: 0)),
        extents=(0.2, 0.5, 1.0),
        tasks=LABELLED,
    ),
    Kind(
        name="the target is a text where labels are asked for",
        checks=("options/no_label",),
        plant=each(_label_to_text),
        tasks=LABELLED,
    ),
    Kind(
        name="the target is none of the options",
        checks=("options/target_not_listed",),
        plant=each(_not_listed),
        tasks=LABELLED,
    ),
    Kind(
        name="options are not listed",
        checks=("options/no_list", "template/gap", "template/words"),
        plant=each(_no_list),
        tasks=LABELLED,
    ),
    Kind(
        name="targets of two examples are swapped",
        checks=("options/no_label", "options/target_not_listed", "template/words_of_target", ROWS),
        plant=swapped_targets,
        extents=(2, 10, 0.05),
    ),
    Kind(
        name="one answer stands in place of another",
        checks=("labels/balance",),
        plant=answers_turned,
        extents=(0.2, 0.5, 1.0),
        tasks=("quickstart/reviews", "quickstart/entailment"),
    ),
    Kind(
        name="an answer that no row of the task has",
        checks=("labels/unknown", "options/target_not_listed"),
        plant=each(
            _where(
                lambda c, r: is_direct(c, r) and option_layout(c, r) is None,
                column("targets", lambda text: "undecided"),
            )
        ),
        tasks=("quickstart/reviews", "quickstart/entailment"),
    ),
    *(
        Kind(
            name=f"a held-out item in a prompt: {dress.__doc__.rstrip('.').lower()}",  # type: ignore[union-attr]
            checks=("held_out/item", "held_out/near_copy"),
            plant=each(_held_out(dress, fewest=fewest)),
            extents=(1, 5),
            times=4,
        )
        for dress, fewest in (
            (held_out_items.as_it_is, 0),
            (held_out_items.in_capitals, 0),
            (held_out_items.in_another_order, 0),
            (held_out_items.cut_at_an_end, 0),
            (held_out_items.with_another_word, 0),
            (held_out_items.with_two_other_words, 13),
        )
    ),
    Kind(
        name="equal prompts with different targets",
        checks=("text/different_targets",),
        plant=conflicting,
        extents=(2, 5, 0.05),
        tasks=CLOSED,
    ),
    Kind(
        name="a target is empty",
        checks=("text/empty_target",),
        plant=each(column("targets", lambda text: "")),
    ),
    Kind(
        name="a target is white space",
        checks=("text/empty_target",),
        plant=each(column("targets", lambda text: " \n\u3000")),
    ),
    Kind(
        name="a prompt is white space",
        checks=("text/empty_input",),
        plant=each(column("inputs", lambda text: "\n\t ")),
    ),
    *(
        Kind(
            name=f"a target is {value}",
            checks=("text/program_value",),
            plant=each(column("targets", lambda text, value=value: value)),  # type: ignore[misc]
            times=1,
        )
        for value in ("None", "nan", "null", "[]")
    ),
    Kind(name="Jinja is not rendered", checks=("text/unrendered",), plant=each(_unrendered)),
    Kind(
        name="a control character",
        checks=("text/control_character",),
        plant=each(column("targets", lambda text: text[:1] + "\x00" + text[1:])),
    ),
    Kind(
        name="a wrong encoding: UTF-8 read as Latin-1",
        checks=("text/damaged_character",),
        plant=each(_mojibake("latin-1")),
        tasks=("quickstart/japanese_topics", "quickstart/arabic_english"),
    ),
    Kind(
        name="a wrong encoding: an apostrophe read as Windows-1252",
        checks=("text/damaged_character", ROWS),
        plant=each(column("targets", lambda text: text.replace("'", "\u00e2\u20ac\u2122"))),
        tasks=ENGLISH,
    ),
    Kind(
        name="a replacement character",
        checks=("text/damaged_character",),
        plant=each(column("inputs", lambda text: text[:-2] + "\ufffd" + text[-2:])),
    ),
    Kind(
        name="targets in another script than the card's languages",
        checks=("language/foreign_script",),
        plant=each(column("targets", lambda text: _RUSSIAN)),
        extents=(5, 0.05, 0.2),
        tasks=ENGLISH,
    ),
    Kind(
        name="a language of the card is nowhere",
        checks=("language/no_script",),
        plant=each(lambda c, r, x: {**r, "inputs": _LATIN, "targets": _LATIN}),
        extents=(1.0,),
        tasks=("quickstart/arabic_english", "quickstart/japanese_topics"),
    ),
    Kind(
        name="a template shows its target",
        checks=("text/target_in_prompt",),
        plant=answers_in_prompts,
        extents=(1.0,),
        times=4,
        tasks=("quickstart/summaries", "quickstart/conversations", "quickstart/arabic_english"),
    ),
    *(
        Kind(
            name=f"targets are cut at {size} characters",
            checks=("text/cut_at_size", "text/cut_target"),
            plant=cut_at(size),
            extents=(1.0,),
            tasks=("quickstart/fix_the_program", "quickstart/summaries", "quickstart/sums"),
        )
        for size in (80, 120, 200)
    ),
    Kind(
        name="targets end in the middle of a sentence",
        checks=("text/cut_target",),
        plant=each(_where(_prose, _cut_sentence)),
        extents=(1, 0.01, 0.05, 0.2),
        tasks=("quickstart/summaries", "quickstart/conversations"),
    ),
    Kind(
        name="a prompt is a hundred times as long",
        checks=("lengths/outlier",),
        plant=each(column("inputs", lambda text: text * 100)),
        extents=(1,),
        times=4,
    ),
    Kind(
        name="a target is a hundred times as long",
        checks=("lengths/outlier",),
        plant=each(_where(_prose, column("targets", lambda text: f"{text} " * 100))),
        extents=(1,),
        times=4,
        tasks=PROSE,
    ),
    Kind(
        name="examples of a task are missing",
        checks=("coverage/task_count",),
        plant=removed,
    ),
    Kind(
        name="examples come twice",
        checks=("coverage/draws",),
        plant=added,
    ),
    Kind(
        name="a variant has examples of another",
        checks=("coverage/variant_count",),
        plant=each(_variant),
        tasks=LABELLED,
    ),
    Kind(
        name="a template is used in place of another",
        checks=("coverage/template_count", "coverage/unused_template"),
        plant=template_in_place_of_another,
        extents=(2, 5, 1.0),
    ),
    Kind(
        name="a template is not used",
        checks=("coverage/unused_template",),
        plant=template_unused,
        extents=(1.0,),
        times=4,
    ),
    Kind(
        name="a template that the task does not have",
        checks=("coverage/unplanned_template",),
        plant=each(lambda c, r, x: {**r, "template_id": "invented"}),
    ),
    Kind(
        name="a task that the plan does not have",
        checks=("coverage/unplanned_task",),
        plant=each(lambda c, r, x: {**r, "task_id": "other/task"}),
    ),
    Kind(
        name="a draw that the plan does not have",
        checks=("coverage/draws",),
        plant=each(lambda c, r, x: {**r, "draw": r["draw"] + 100_000}),
    ),
    Kind(
        name="a record says it is of another row",
        checks=(ROWS,),
        plant=each(lambda c, r, x: {**r, "row": x.getrandbits(62)}),
    ),
    Kind(
        name="a style that the task does not draw from",
        checks=("styles/unknown", "options/no_list", "shots/style"),
        plant=each(_style("other")),
        tasks=LABELLED,
    ),
    Kind(
        name="one separator is drawn too often, in one task of twelve",
        checks=("styles/uneven", ROWS),
        plant=style_uneven,
        extents=(0.2, 0.5, 1.0),
        tasks=LABELLED,
    ),
)


def check_ids(kinds: Sequence[Kind] = KINDS) -> Mapping[str, tuple[str, ...]]:
    """Checks by the kinds that they ought to find."""
    found: dict[str, tuple[str, ...]] = {}
    for kind in kinds:
        for check in kind.checks:
            found[check] = (*found.get(check, ()), kind.name)
    return found
