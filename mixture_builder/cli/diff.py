"""`diff`: what is different between two recipes, locks or built mixtures."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import (
    cards_option,
    json_option,
    store_option,
    templates_option,
)
from mixture_builder.cli.output import byte_size, facts, indented, many, show_json
from mixture_builder.errors import UsageError

if TYPE_CHECKING:
    from mixture_builder.access.sides import Side

DIFFERENT = 1
"""Exit code when something is different, as of the command `diff` of POSIX."""

LISTED = 40
"""Tasks of one kind that are listed one by one; `--json` has all."""

TOKEN_TASKS = 5
"""Tasks that are named with their tokens: those whose tokens changed most."""

CONTEXT = 6
"""Lines that are shown at either end of a stretch of a record that both sides have."""


@click.command(short_help="Compare two recipes, locks or built mixtures.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--rendered",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also show N records that change, before and after.",
)
@click.option(
    "--tokenizer",
    metavar="FILE",
    help="A tokenizer.json: also count the tokens of built mixtures, by task.",
)
@store_option
@cards_option
@templates_option
@json_option
@click.pass_context
def diff(
    ctx: click.Context,
    *,
    a: str,
    b: str,
    rendered: int,
    tokenizer: str | None,
    store: Path,
    cards: Path | None,
    templates: Path | None,
    as_json: bool,
) -> None:
    """Compare A with B; each is a recipe, a recipe.lock.yaml, or the folder of a built mixture.

    A task counts as changed if something of its own is: rate, rows, templates, settings. Quotas
    that move because other tasks come, go or change are told apart. --cards and --templates are for
    recipes.

    Exit codes: 0 no difference; 1 some difference, or an error; 2 wrong usage.
    """
    from mixture_builder.access.difference import compare
    from mixture_builder.access.sides import load_side

    sides = [load_side(side, store=store, cards=cards, templates=templates) for side in (a, b)]
    for side in sides:
        for task, why in sorted(side.broken.items()):
            click.echo(f"left out of {side.name}: {task}\n{indented(why)}", err=True)
    difference = compare(sides[0], sides[1])
    if tokenizer is not None:
        difference["tokens"] = _tokens(sides, tokenizer)
    if rendered:
        from mixture_builder.access.rendered import changed_records

        difference["rendered"] = changed_records(sides[0], sides[1], difference, count=rendered)
    if as_json:
        show_json(difference)
    else:
        click.echo(_as_text(difference))
    if not difference["equal"]:
        ctx.exit(DIFFERENT)


def _tokens(sides: Sequence[Side], tokenizer: str) -> dict[str, dict[str, list[int | None]]]:
    """Tokens by task, inputs and targets, on each side."""
    from mixture_builder.jobs.inspect.tokens import count_tokens

    counted = []
    for side in sides:
        if side.manifest is None:
            raise UsageError(
                f"--tokenizer: {side.name} is a {side.kind}, which has no texts; expected two "
                "built mixtures. Build it first."
            )
        counted.append(count_tokens(side.name.rstrip("/"), side.manifest, tokenizer=tokenizer))
    return {
        task: {
            name: [found[task][name] if task in found else None for found in counted]
            for name in ("inputs", "targets")
        }
        for task in sorted({*counted[0], *counted[1]})
    }


def _as_text(difference: Mapping[str, Any]) -> str:
    blocks = [facts([(side.upper(), _side(difference[side])) for side in ("a", "b")], indent="")]
    if difference["equal"]:
        blocks.append("no difference")
    lines = [f"{name}: {_pair(pair)}" for name, pair in difference["whole"].items()]
    blocks += ["\n".join(lines)] if lines else []
    blocks += _listed("styles", {k: _items(v) for k, v in difference["styles"].items()})
    blocks += _listed(
        "submixtures",
        {path: _pairs(found) for path, found in difference["submixtures"].items()},
    )
    for how in ("added", "removed"):
        blocks += _listed(
            f"{how}: {many(len(difference[how]), 'task')}",
            {task: _summary(found) for task, found in difference[how].items()},
        )
    blocks += _listed(
        f"changed: {many(len(difference['changed']), 'task')}",
        _grouped(difference["changed"]),
    )
    if difference["shifted"]:
        blocks.append(_shifts(difference["shifted"]))
    if difference["same_content"] is not None and not difference["equal"]:
        same = difference["same_content"]
        blocks.append(f"records: {'the same' if same else 'not the same'} (content digest)")
    if "tokens" in difference:
        blocks.append(_token_text(difference["tokens"]))
    blocks += [_record_text(entry) for entry in difference.get("rendered", ())]
    return "\n\n".join(blocks)


def _side(side: Mapping[str, Any]) -> str:
    about = "~" if side["estimated"] else ""
    size = f", {byte_size(side['bytes'])}" if "bytes" in side else ""
    return (
        f"{side['name']} ({side['kind']}): {about}{many(side['examples'], 'example')} of "
        f"{many(side['tasks'], 'task')}{size}"
    )


def _listed(head: str, lines: Mapping[str, str]) -> list[str]:
    """A heading and what stands below it; nothing where there is nothing."""
    if not lines:
        return []
    shown = list(lines.items())[:LISTED]
    text = [f"  {name}  {said}" for name, said in shown]
    if len(lines) > len(shown):
        text.append(f"  and {len(lines) - len(shown):,} more; --json lists all")
    return ["\n".join([head, *text])]


def _pair(pair: Sequence[Any]) -> str:
    return f"{_value(pair[0])} -> {_value(pair[1])}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_value(v)}" for k, v in value.items()) + "}"
    text = str(value)
    try:
        return f"{float(Fraction(text)):.6g}" if "/" in text else text
    except ValueError:
        return text


def _pairs(found: Mapping[str, Sequence[Any]]) -> str:
    return "; ".join(f"{name} {_pair(pair)}" for name, pair in found.items())


_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": "^"}


def _items(found: Mapping[str, Sequence[str]]) -> str:
    return " ".join(f"{_SIGNS[how]}{name}" for how, names in found.items() for name in names)


def _summary(found: Mapping[str, Any]) -> str:
    text = (
        f"{found['submixture']}: {many(found['quota'], 'example')} of "
        f"{many(found['rows'], 'row')}, {many(found['templates'], 'template')}"
    )
    return text + (f" ({found['reason'].split(chr(10))[0]})" if "reason" in found else "")


def _grouped(changed: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What changed by task; tasks of which the same is said, but for quotas, stand together."""
    groups: dict[str, list[str]] = {}
    for task, found in changed.items():
        groups.setdefault(_task({k: v for k, v in found.items() if k != "quota"}), []).append(task)
    result = {}
    for said, tasks in groups.items():
        quotas = [sum(changed[task]["quota"][side] for task in tasks) for side in (0, 1)]
        together = " together" if len(tasks) > 1 else ""
        moved = f"; quota {_pair(quotas)}{together}" if quotas[0] != quotas[1] else ""
        others = f" and {len(tasks) - 1:,} more" if len(tasks) > 1 else ""
        result[f"{tasks[0]}{others}"] = said + moved
    return result


def _task(found: Mapping[str, Any]) -> str:
    parts = []
    for name, what in found.items():
        if name == "templates":
            parts.append(f"templates {_items(what)}")
        elif name in {"settings", "variants"}:
            parts.append(f"{name} ({_pairs(what)})")
        elif name == "content of rows":
            parts.append("other rows")
        else:
            parts.append(f"{name} {_pair(what)}")
    return "; ".join(parts)


def _shifts(shifted: Mapping[str, Sequence[int]]) -> str:
    total = [sum(pair[side] for pair in shifted.values()) for side in (0, 1)]
    least = min(shifted.values(), key=lambda pair: Fraction(pair[1], max(1, pair[0])))
    most = max(shifted.values(), key=lambda pair: Fraction(pair[1], max(1, pair[0])))
    each = f"each {_pair(least)}"
    if least != most:
        each = f"the least {_pair(least)}, the most {_pair(most)}"
    return (
        f"shifted: {many(len(shifted), 'task')} with nothing changed but the quota, from "
        f"{total[0]:,} to {total[1]:,} examples in all ({each})"
    )


def _token_text(tokens: Mapping[str, Mapping[str, Sequence[int | None]]]) -> str:
    lines = ["tokens"]
    for name in ("inputs", "targets"):
        total = [sum(of_task[name][side] or 0 for of_task in tokens.values()) for side in (0, 1)]
        lines.append(f"  {name}  {_pair(total)}")
    changes = {
        task: [sum(of_task[name][side] or 0 for name in of_task) for side in (0, 1)]
        for task, of_task in tokens.items()
    }
    moved = {task: pair for task, pair in changes.items() if pair[0] != pair[1]}
    largest = sorted(moved, key=lambda task: (-abs(moved[task][1] - moved[task][0]), task))
    lines += [f"  of {task}  {_pair(moved[task])}" for task in largest[:TOKEN_TASKS]]
    if len(largest) > TOKEN_TASKS:
        lines.append(f"  and {len(largest) - TOKEN_TASKS:,} more tasks; --json lists all")
    return "\n".join(lines)


def _record_text(entry: Mapping[str, Any]) -> str:
    if "note" in entry:
        return f"--- {entry['task']}: {entry['note']}"
    before, after = (_texts(entry[side]) for side in ("before", "after"))
    lines = difflib.unified_diff(before, after, n=len(before) + len(after), lineterm="")
    # The first three say which files and lines; there are none.
    folded = _folded(list(lines)[3:])
    return "\n".join([f"--- {entry['task']}, draw {entry['draw']}", *folded])


def _folded(lines: Sequence[str]) -> list[str]:
    """Lines of a comparison, without the middle of long stretches that are alike on both sides."""
    result: list[str] = []
    for alike, group in itertools.groupby(lines, key=lambda line: line.startswith(" ")):
        stretch = list(group)
        left_out = len(stretch) - 2 * CONTEXT
        if alike and left_out > CONTEXT:
            told = f" [{left_out} lines alike]"
            stretch = [*stretch[:CONTEXT], told, *stretch[-CONTEXT:]]
        result += stretch
    return result


def _texts(record: Mapping[str, Any] | None) -> list[str]:
    """What people compare of a record, line by line."""
    if record is None:
        return []
    keys = ("variant", "template_id", "style", "row", "exemplar_rows")
    told = [f"{key}: {record[key]}" for key in keys if record[key] not in ("", [])]
    return [*told, "inputs:", *_lines(record["inputs"]), "targets:", *_lines(record["targets"])]


def _lines(text: str) -> list[str]:
    return [f"  {line}" for line in text.split("\n")]
