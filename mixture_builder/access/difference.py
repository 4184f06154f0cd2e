"""What is different between two mixtures, and what only follows from it.

A task is *changed* if something of its own is: its part of the recipe, its rate, rows,
templates, settings, variants. That its quota moves because others come, go or change is a
*shift*, and told apart: adding one task lists that task only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from mixture_builder.access.sides import Side
from mixture_builder.lock import settings_to_json
from mixture_builder.plan import TaskPlan
from mixture_builder.rates import exact
from mixture_builder.templates import PromptTemplate, templates_to_json
from mixture_builder.variants import VARIANTS

Pair = list[Any]
"""What A has and what B has."""


def compare(a: Side, b: Side) -> dict[str, Any]:
    """All differences, as plain data; see `docs/howto/compare.md` for its keys."""
    plan_a = {task.task: task for task in a.lock.plan.tasks}
    plan_b = {task.task: task for task in b.lock.plan.tasks}
    added = {t: _summary(b, plan_b[t], a) for t in plan_b if t not in plan_a}
    removed = {t: _summary(a, plan_a[t], b) for t in plan_a if t not in plan_b}
    changed: dict[str, Any] = {}
    shifted: dict[str, Pair] = {}
    for task, of_a in plan_a.items():
        if task not in plan_b:
            continue
        differences = _of_task(a, of_a, b, plan_b[task])
        quotas = [of_a.quota, plan_b[task].quota]
        if differences:
            changed[task] = {**differences, "quota": quotas}
        elif quotas[0] != quotas[1]:
            shifted[task] = quotas
    whole = _of_whole(a, b)
    parts = _of_parts(a, b)
    styles = _of_styles(a.lock.styles, b.lock.styles)
    content = None
    if a.manifest is not None and b.manifest is not None:
        content = bool(a.manifest["content_digest"] == b.manifest["content_digest"])
    same = not (whole or parts or styles or added or removed or changed or shifted)
    return {
        "a": _described(a),
        "b": _described(b),
        "equal": same and content is not False,
        "same_content": content,
        "whole": whole,
        "styles": styles,
        "submixtures": parts,
        "added": added,
        "removed": removed,
        "changed": changed,
        "shifted": shifted,
    }


def _described(side: Side) -> dict[str, Any]:
    plan, manifest = side.lock.plan, side.manifest
    described: dict[str, Any] = {
        "name": side.name,
        "kind": side.kind,
        "fingerprint": side.lock.fingerprint,
        "tasks": len(plan.tasks),
        "estimated": len(side.estimated),
        "left_out": len(side.broken),
    }
    if manifest is not None:
        described["examples"] = manifest["realised"]
        described["bytes"] = manifest["bytes"]
    else:
        described["examples"] = plan.examples
    return described


def _of_whole(a: Side, b: Side) -> dict[str, Pair]:
    def facts(side: Side) -> dict[str, Any]:
        plan = side.lock.plan
        found: dict[str, Any] = {
            "name": plan.name,
            "seed": plan.seed,
            "examples": plan.examples,
            "shards": plan.shards,
            "format": side.lock.format,
        }
        if side.manifest is not None and len(side.manifest["shards"]) < plan.shards:
            found["shards built"] = len(side.manifest["shards"])
        return found

    return _changes(facts(a), facts(b))


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Pair]:
    """Keys whose values differ; `None` stands for a missing one."""
    keys = dict.fromkeys((*a, *b))
    return {key: [a.get(key), b.get(key)] for key in keys if a.get(key) != b.get(key)}


def _of_parts(a: Side, b: Side) -> dict[str, dict[str, Pair]]:
    """Submixtures whose own rate or way of sharing changed, or that one side lacks."""
    parts = [dict(_parts(side.lock.recipe.get("submixtures", {}))) for side in (a, b)]
    result = {}
    for path in dict.fromkeys((*parts[0], *parts[1])):
        found = _changes(*(side.get(path, {}) for side in parts))
        if found:
            result[path] = found
    return result


_SHOWN_ELSEWHERE = frozenset(
    [
        *("submixtures", "tasks", "exclude"),
        *("variants", "shots", "options", "styles", "limits", "inversion_rate"),
    ]
)
"""Keys of a part that come out in its tasks."""


def _parts(raw: Mapping[str, Any], around: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths of the parts in a part, with what each says of its rates, as its recipe has it."""
    for name, part in raw.items():
        own = {key: value for key, value in part.items() if key not in _SHOWN_ELSEWHERE}
        yield f"{around}{name}", {**own, "rate": str(exact(part["rate"]))}
        yield from _parts(part.get("submixtures", {}), f"{around}{name}.")


def _of_styles(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Pools of styles, by file and pool, with the ids that were added, removed or changed."""
    result = {}
    for file in dict.fromkeys((*a, *b)):
        pools_a, pools_b = a.get(file, {}), b.get(file, {})
        if not (isinstance(pools_a, Mapping) and isinstance(pools_b, Mapping)):
            if pools_a != pools_b:
                result[str(file)] = _of_items(pools_a, pools_b)
            continue
        for pool in dict.fromkeys((*pools_a, *pools_b)):
            if pools_a.get(pool) != pools_b.get(pool):
                found = _of_items(pools_a.get(pool, ()), pools_b.get(pool, ()))
                result[f"{file}.{pool}"] = found
    return result


def _of_items(a: Any, b: Any) -> dict[str, list[str]]:
    """Items of two lists told apart by `id`; those without one by what they are."""

    def by_id(items: Any) -> dict[str, Any]:
        if not isinstance(items, (list, tuple)):
            return {"": items}
        return {
            str(item.get("id", item) if isinstance(item, Mapping) else item): item for item in items
        }

    return _by_name(by_id(a), by_id(b))


def _by_name(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[str]]:
    found = {
        "added": [name for name in b if name not in a],
        "removed": [name for name in a if name not in b],
        "changed": [name for name in a if name in b and a[name] != b[name]],
    }
    if not any(found.values()) and list(a) != list(b):
        found["moved"] = [x for x, y in zip(a, b, strict=True) if x != y]
    return {how: names for how, names in found.items() if names}


def _summary(side: Side, task: TaskPlan, other: Side) -> dict[str, Any]:
    """A task that only one side has."""
    found: dict[str, Any] = {
        "submixture": task.submixture,
        "quota": task.quota,
        "rows": task.rows,
        "templates": len(side.lock.templates[task.templates]),
    }
    why = other.lock.plan.left_out.get(task.task) or other.broken.get(task.task)
    return {**found, "reason": why} if why else found


def _of_task(a: Side, task_a: TaskPlan, b: Side, task_b: TaskPlan) -> dict[str, Any]:
    """What is different of a task itself; nothing of what follows from others."""
    found: dict[str, Any] = dict(_changes(_own(task_a), _own(task_b)))
    locked_a, locked_b = a.lock.tasks[task_a.task], b.lock.tasks[task_b.task]
    if locked_a.digest and locked_b.digest:
        other_rows = locked_a.digest != locked_b.digest
    else:
        other_rows = locked_a.stored != locked_b.stored
    if other_rows and "rows" not in found:
        found["content of rows"] = [
            locked_a.digest or locked_a.stored,
            locked_b.digest or locked_b.stored,
        ]
    settings = _changes(_flat(settings_to_json(task_a.settings)), _settings(task_b))
    # What variants come to stands in the cells, which follow from settings and templates.
    if settings:
        found["settings"] = settings
    templates = _by_name(
        _texts(a.lock.templates[task_a.templates]), _texts(b.lock.templates[task_b.templates])
    )
    if templates:
        found["templates"] = templates
    variants = _changes(_cells(task_a), _cells(task_b))
    if variants and not settings and not templates:
        found["variants"] = variants
    return found


def _own(task: TaskPlan) -> dict[str, Any]:
    return {
        "submixture": task.submixture,
        "rate": str(task.rate),
        "rows": task.rows,
        "query_rows": task.query_rows,
        "pool": task.pool,
        "template file": task.templates,
        "questions": task.questions,
        "fixed_option_order": task.fixed_option_order,
    }


def _settings(task: TaskPlan) -> dict[str, Any]:
    return _flat(settings_to_json(task.settings))


_RATES = frozenset(["variants", "counts", *VARIANTS])
"""Settings that are rates beside each other: where one changes, all are told."""


def _flat(plain: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in plain.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and key not in _RATES:
            result.update(_flat(value, f"{name}."))
        else:
            result[name] = value
    return result


def _texts(templates: Iterable[PromptTemplate]) -> dict[str, Any]:
    found = list(templates)
    return {t.id: plain for t, plain in zip(found, templates_to_json(tuple(found)), strict=True)}


def _cells(task: TaskPlan) -> dict[str, str]:
    """The share of each cell, whatever the quota."""
    total = sum(cell.weight for cell in task.cells)
    return {cell.name: str(Fraction(cell.weight, total)) for cell in task.cells}
