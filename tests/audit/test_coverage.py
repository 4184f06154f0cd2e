"""Coverage: what there is of tasks, variants, templates and exemplars, against the plan."""

from __future__ import annotations

from typing import Any

from tests.audit.conftest import Clean, checks_of, findings_of

Record = dict[str, Any]


def test_a_missing_record_is_found(clean: Clean):
    """A task with an example too few is an error, with both numbers."""
    shards = clean.shards()
    task = shards[0].pop(0)["task_id"]
    found = findings_of(clean.audit(shards), "coverage/task_count")

    assert [(f["task"], f["asked"] - f["found"]) for f in found] == [(task, 1)]


def test_a_record_that_comes_twice_is_found(clean: Clean):
    """A draw that comes twice is an error, and shows the record."""
    shards = clean.shards()
    shards[0].append(dict(shards[0][0]))
    told = clean.audit(shards)
    (found,) = findings_of(told, "coverage/draws")

    assert found["evidence"][0]["row"] == len(shards[0]) - 1
    assert "coverage/task_count" in checks_of(told)


def test_a_draw_that_is_none_of_the_plans_is_found(clean: Clean):
    """A draw number that the plan does not have is an error, even where the count is right."""
    told = clean.with_fault(lambda r: True, lambda r: {**r, "draw": r["draw"] + 10_000})

    assert checks_of(told) == {"coverage/draws"}


def test_a_task_of_another_mixture_is_found(clean: Clean):
    """Records of a task that the plan does not name are an error."""
    told = clean.with_fault(lambda r: True, lambda r: {**r, "task_id": "other/task"})

    assert "coverage/unplanned_task" in checks_of(told)


def test_a_variant_in_place_of_another_is_found(clean: Clean):
    """A record of another variant than it was is an error."""
    told = clean.with_fault(
        lambda r: r["variant"] == "zs_opt", lambda r: {**r, "variant": "zs_noopt"}
    )

    assert "coverage/variant_count" in checks_of(told)


def test_a_template_that_is_none_of_the_tasks_is_found(clean: Clean):
    """A template id that the task's file does not have is an error."""
    told = clean.with_fault(lambda r: True, lambda r: {**r, "template_id": "invented"})
    (found,) = findings_of(told, "coverage/unplanned_template")

    assert "'invented'" in found["message"]


def test_a_template_that_takes_the_place_of_another_is_found(clean: Clean):
    """Records moved from one template to another make both counts wrong, or leave one unused."""
    first = next(r for r in clean.records[0] if r["variant"] == "zs_noopt")
    same = (first["task_id"], first["variant"])
    other = next(
        r["template_id"]
        for r in clean.records[0]
        if (r["task_id"], r["variant"]) == same and r["template_id"] != first["template_id"]
    )
    told = clean.with_fault(
        lambda r: (r["task_id"], r["variant"], r["template_id"]) == (*same, first["template_id"]),
        lambda r: {**r, "template_id": other},
        times=2,
    )

    assert "coverage/template_count" in checks_of(told)


def test_a_template_that_is_never_used_is_found(clean: Clean):
    """A template that the plan has room for, and no record has, is a warning."""
    first = next(r for r in clean.records[0] if r["variant"] == "zs_noopt")
    shards = clean.shards()
    gone = (first["task_id"], first["template_id"])
    shards = [[r for r in s if (r["task_id"], r["template_id"]) != gone] for s in shards]
    (found,) = findings_of(clean.audit(shards), "coverage/unused_template")

    assert (found["task"], found["found"]) == (gone[0], 0)


def test_exemplars_that_are_lost_from_a_column_are_found(clean: Clean):
    """A record whose number of exemplars is not that of its rows is an error."""
    told = clean.with_fault(
        lambda r: r["num_exemplars"] > 1,
        lambda r: {**r, "exemplar_rows": r["exemplar_rows"][1:]},
    )

    assert checks_of(told) == {"coverage/shots_of_variant"}


def test_more_exemplars_than_the_recipe_asks_for_are_found(clean: Clean):
    """A prompt with more exemplars than the largest number of the recipe is an error."""
    told = clean.with_fault(
        lambda r: r["num_exemplars"] == 5,
        lambda r: {**r, "num_exemplars": 6, "exemplar_rows": [*r["exemplar_rows"], 1]},
    )

    assert "coverage/unplanned_shots" in checks_of(told)


def test_shots_that_are_skewed_are_found(clean: Clean):
    """Prompts of one number of exemplars in place of the recipe's distribution are a warning."""
    shards = [
        [
            {**r, "num_exemplars": 2, "exemplar_rows": r["exemplar_rows"][:2]}
            if r["num_exemplars"] > 2
            else r
            for r in shard
        ]
        for shard in clean.shards()
    ]
    found = findings_of(clean.audit(shards), "coverage/shots")

    assert found
    assert found[0]["severity"] == "warning"
