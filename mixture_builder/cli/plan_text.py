"""What `plan` shows of a plan, for people."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from typing import Any

from mixture_builder.cli.output import byte_size, counted, many, per_cent, table
from mixture_builder.cli.plan_facts import PlanFacts

SHOWN = 10
"""Tasks that run dry are named up to so many."""


def plan_text(facts: PlanFacts, *, by_task: bool, by_variant: bool = False) -> str:
    """Tables of parts and, if asked for, variants and tasks, and what is to be known about them."""
    plan, mixture, counts = facts.plan, facts.mixture, facts.counts
    whole = {"path": "all", "rate": "", **facts.totals(plan.tasks)}
    header = ["part", "tasks", "rate", "share", "quota", "rows", "scarce", "passes", "bytes"]
    rows = [
        [
            p["path"],
            f"{p['tasks']:,}",
            _number(p["rate"]),
            per_cent(Fraction(p["share"])),
            f"{p['quota']:,}",
            _rows(p["rows"], estimated=bool(p["estimated"])),
            f"{p['scarce']:,}" if p["scarce"] else "-",
            f"{p['most_passes']:,.2f}",
            _bytes(p["bytes"], estimated=bool(p["bytes_estimated"])),
            _variants(p["variants"]),
        ]
        for p in [*facts.parts, whole]
    ]
    blocks = [
        (
            f"{plan.name}: {plan.examples:,} examples of {many(len(plan.tasks), 'task')}, seed "
            f"{plan.seed}, {many(plan.shards, 'shard')}"
        ),
        table([*header, "variants"], rows, right=header[1:]),
    ]
    if by_variant:
        blocks.append(_variants_table([*facts.parts, whole]))
    if by_task:
        blocks.append(_tasks_table(facts))
    blocks += _tokens(facts)
    blocks.append(
        f"About {_duration(facts.forecast.seconds(plan))} of processor time to build"
        + (", on an estimate of the bytes: --measure them." if facts.forecast.estimated else ".")
    )
    blocks += _dry(facts)
    scarce = [t for t in plan.tasks if t.quota > t.query_rows]
    if scarce:
        most = max(scarce, key=lambda t: t.passes)
        blocks.append(
            f"Scarce: {many(len(scarce), 'task')} with fewer rows than examples, the scarcest "
            f"{most.task} ({float(most.passes):,.2f} passes). {many(facts.repeated, 'example')} of "
            f"{plan.examples:,} repeat a row."
        )
    few = [t for t in plan.tasks if t.few_to_show]
    if few:
        least = min(few, key=lambda t: (t.pool, t.task))
        blocks.append(
            f"Few to show: {many(len(few), 'task')} with fewer rows to draw exemplars from than "
            f"some prompts ask for, the fewest {least.task} ({many(least.pool, 'row')}, "
            f"{least.most_exemplars} asked for). These prompts show what there is."
        )
    if counts.estimated:
        blocks.append(
            f"~ {many(len(counts.estimated), 'task')} not in the store: rows are those that the "
            "cards state. Run ingest for the true numbers."
        )
    if mixture.filtered:
        blocks.append(_filtered(facts))
    zero = set(plan.left_out) - set(mixture.broken) - set(counts.unknown) - set(mixture.filtered)
    if zero:
        blocks.append(f"{many(len(zero), 'task')} with a rate of 0: nothing is drawn of them.")
    return "\n\n".join(blocks)


def _tokens(facts: PlanFacts) -> list[str]:
    """What the mixture comes to in tokens, for each tokenizer."""
    lines = []
    for name, tasks in facts.forecast.tokens.items():
        inputs, targets = (sum(found[i] for found in tasks.values()) for i in (0, 1))
        missing = len(facts.plan.tasks) - len(tasks)
        lines.append(
            f"Tokens by {name}: {inputs + targets:,}, of them {targets:,} of targets"
            + (f"; {many(missing, 'task')} not in the store not counted." if missing else ".")
        )
    return lines


def _dry(facts: PlanFacts) -> list[str]:
    """Which sources run dry, and what that changes."""
    plan, blocks = facts.plan, []
    if plan.wanted:
        blocks.append(
            f"The mixture ends at {plan.examples:,} of the {plan.wanted:,} examples asked for: a "
            "source runs dry, and its part does not repeat rows."
        )
    if plan.dry:
        quotas = {t.task: t.quota for t in plan.tasks}
        less = {task: asked - quotas[task] for task, asked in plan.dry.items()}
        lines = [
            (
                f"Runs dry: {many(len(less), 'task')} with all rows used, {sum(less.values()):,} "
                "examples fewer than their rates come to; others take them over:"
            )
        ]
        largest = sorted(less, key=lambda task: (-less[task], task))
        lines += [f"  {t}: {quotas[t]:,} of {plan.dry[t]:,}" for t in largest[:SHOWN]]
        if len(largest) > SHOWN:
            lines.append(f"  and {len(largest) - SHOWN:,} more; `--json` names all")
        blocks.append("\n".join(lines))
    return blocks


def _filtered(facts: PlanFacts) -> str:
    """How many tasks filters take out, why, and who takes over their shares."""
    from mixture_builder.filters import PREFIX

    plan, mixture = facts.plan, facts.mixture
    first_word = re.compile(rf"{PREFIX}(?:its |it )?(\w+)")
    reasons = mixture.filtered.values()
    why = Counter(found[1] for text in reasons if (found := first_word.match(text)))
    left = Counter(task.submixture for task in plan.tasks)
    head = (
        f"Filtered: {many(len(mixture.filtered), 'task')} ({counted(why)}); `--json` gives each "
        "reason. The tasks that are left of a part take over the shares of the others:"
    )
    lines = [head]
    for path, lost in facts.losses.items():
        gone = "" if left[path] else "; the other parts take over its share"
        lines.append(f"  {path}: {len(lost):,} filtered, {left[path]:,} left{gone}")
    if facts.repeated:
        nearest = facts.without_repeats
        tops = [p.path for p in mixture.recipe.root.parts]
        whole = max(1, sum(nearest[path] for path in tops))
        rates = ", ".join(
            f"{path} {per_cent(Fraction(nearest[path], whole))} (asked "
            f"{per_cent(facts.asked_shares[path])})"
            for path in tops
        )
        lines.append(f"Nearest shares with which no row repeats, {whole:,} examples: {rates}")
    return "\n".join(lines)


def _variants_table(parts: list[dict[str, Any]]) -> str:
    """What each part spends on its variants."""
    header = [
        "part",
        "variant",
        "of the part",
        "quota",
        "bytes",
        "an example",
        "of the bytes",
        "time",
    ]
    rows = [
        [
            part["path"],
            name,
            per_cent(Fraction(quota, part["quota"])),
            f"{quota:,}",
            _bytes(part["variant_bytes"][name], estimated=bool(part["bytes_estimated"])),
            byte_size(round(part["variant_bytes"][name] / quota)),
            per_cent(Fraction(part["variant_bytes"][name], max(1, part["bytes"]))),
            f"{part['variant_cpu_seconds'][name]:,.1f} s",
        ]
        for part in parts
        for name, quota in part["variants"].items()
        if quota
    ]
    return table(header, rows, right=header[2:])


def _tasks_table(facts: PlanFacts) -> str:
    plan, counts, expected = facts.plan, facts.counts, facts.forecast
    header = ["task", "part", "rate", "share", "quota", "rows", "passes", "bytes", "variants"]
    rows = [
        [
            t.task,
            t.submixture,
            _number(t.rate),
            per_cent(t.share),
            f"{t.quota:,}",
            _rows(t.rows, estimated=t.task in counts.estimated),
            f"{float(t.passes):,.2f}" + (" !" if t.quota > t.query_rows else "  "),
            _bytes(expected.bytes[t.task], estimated=t.task in expected.estimated),
            _variants({c.name: c.quota for c in t.cells}),
        ]
        for t in plan.tasks
    ]
    return table(header, rows, right=header[2:8])


def _number(rate: str | Fraction) -> str:
    return f"{float(Fraction(rate)):,.10g}" if rate else ""


def _rows(count: int, *, estimated: bool) -> str:
    return ("~" if estimated else "") + f"{count:,}"


def _bytes(count: int, *, estimated: bool) -> str:
    return ("~" if estimated else "") + byte_size(count)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _variants(quotas: dict[str, int]) -> str:
    return " ".join(f"{name}={quota:,}" for name, quota in quotas.items() if quota)
