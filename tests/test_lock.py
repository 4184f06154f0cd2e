"""The lock: everything that decides the bytes, and nothing else."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from fractions import Fraction

import pytest
import yaml

from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.recipes import recipe_from_json, select_tasks


@pytest.fixture(scope="module")
def lock(quickstart) -> Lock:
    return lock_mixture(quickstart.mixture, stored=quickstart.stored, broken={})


def changed(lock: Lock, **keys) -> Lock:
    return replace(lock, plan=replace(lock.plan, **keys))


@pytest.mark.parametrize("write", ["json", "yaml"])
def test_a_lock_comes_back_from_its_file_as_it_was(lock, write):
    """Written and read again, a lock has the same plan, templates, styles and fingerprint."""
    plain = lock.to_json()
    text = json.dumps(plain) if write == "json" else yaml.safe_dump(plain, sort_keys=False)
    again = lock_from_json(json.loads(text) if write == "json" else yaml.safe_load(text))

    assert again.plan == lock.plan
    assert again.templates == lock.templates
    assert again.tasks == lock.tasks
    assert again.style_pools.styles == lock.style_pools.styles
    assert json.dumps(again.to_json(), sort_keys=True) == json.dumps(plain, sort_keys=True)
    assert again.fingerprint == lock.fingerprint


def test_a_worker_is_given_all_that_decides_a_byte(lock):
    """What rendering gets is the lock without texts about it, and has its fingerprint."""
    told = changed(lock, left_out={"demo/x": "gone"}, wanted=9, dry={"demo/y": 3})
    slim = pickle.loads(pickle.dumps(told.for_rendering()))

    assert told.cards
    assert not slim.cards
    assert slim.plan == replace(told.plan, left_out={}, wanted=0, dry={})
    assert (slim.tasks, slim.templates, slim.styles) == (told.tasks, told.templates, told.styles)
    assert "fingerprint" in vars(slim)
    assert slim.fingerprint == replace(slim).fingerprint == told.fingerprint


def test_what_people_write_about_a_recipe_does_not_count(lock):
    """Description and spelling of a recipe leave the fingerprint as it is, so do left-out tasks."""
    recipe = {**lock.recipe, "description": "other words", "size": {"examples": 1}}
    same = changed(replace(lock, recipe=recipe), left_out={"demo/x": "gone"})

    assert same.fingerprint == lock.fingerprint


def test_whatever_changes_a_byte_changes_the_fingerprint(lock):
    """Seed, size, shards, format, rows, quotas, cells, settings, templates, styles: all count."""
    first, *others = lock.plan.tasks
    name, templates = next(iter(lock.templates.items()))

    def with_task(**keys) -> Lock:
        return changed(lock, tasks=(replace(first, **keys), *others))

    others_of_all_kinds = [
        changed(lock, seed=1),
        changed(lock, examples=lock.plan.examples + 1),
        changed(lock, shards=lock.plan.shards + 1),
        changed(lock, tasks=tuple(others)),
        replace(lock, format="tfrecord"),
        with_task(quota=first.quota + 1),
        with_task(pool=first.pool - 1),
        with_task(query_rows=first.query_rows - 1),
        with_task(fixed_option_order=not first.fixed_option_order),
        with_task(questions=not first.questions),
        with_task(cells=first.cells[1:]),
        with_task(
            submixture="other", settings=replace(first.settings, inversion_rate=Fraction(1, 7))
        ),
        replace(lock, tasks={**lock.tasks, first.task: replace(lock.tasks[first.task], digest="")}),
        replace(lock, templates={**lock.templates, name: templates[::-1]}),
        replace(
            lock,
            templates={
                **lock.templates,
                name: (replace(templates[0], target=templates[0].target + "."), *templates[1:]),
            },
        ),
        replace(lock, styles={**lock.styles, "dialogs": {**lock.styles["dialogs"], "x": []}}),
    ]
    fingerprints = [other.fingerprint for other in others_of_all_kinds]

    assert lock.fingerprint not in fingerprints
    assert len(set(fingerprints)) == len(fingerprints)


def test_the_order_of_keys_in_a_recipe_decides_nothing():
    """Two spellings of the same rates give the same settings, so the same draws."""

    def recipe(counts, variants):
        return recipe_from_json(
            {
                "name": "demo",
                "size": {"examples": 1},
                "shots": {"counts": counts},
                "variants": variants,
                "submixtures": {"all": {"rate": 1, "tasks": ["demo/*"]}},
            },
            file="demo.yaml",
        )

    one = recipe({"2": 1, "10": 3, "5": 2}, {"zs_opt": 1, "fs_opt": 2})
    other = recipe({"10": 3, "5": 2, "2": 1}, {"fs_opt": 2, "zs_opt": 1})

    assert one.root.settings.shots == other.root.settings.shots
    assert one.root.settings.shots.counts == (
        (2, Fraction(1)),
        (5, Fraction(2)),
        (10, Fraction(3)),
    )


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("lock_version", 2, "found lock_version 2; expected 1"),
        ("render_version", 999, "it was made by render_version 999"),
    ],
)
def test_a_lock_of_another_version_is_refused(lock, key, value, reason):
    """A lock that this version would render otherwise is not taken for one of its own."""
    with pytest.raises(ValueError, match=reason):
        lock_from_json({**lock.to_json(), key: value})


def test_a_recipe_without_the_later_keys_locks_as_before_there_were_any(lock):
    """Forms, pins and strict options stand in a lock only where a recipe asks for them."""
    plain = lock.to_json()
    keys = {key for settings in plain["settings"].values() for key in settings}
    shots = {key for settings in plain["settings"].values() for key in settings["shots"]}
    cells = {key for task in plain["tasks"].values() for cell in task["cells"] for key in cell}

    assert keys == {
        *("variants", "shots", "shuffle_options"),
        *("input_chars", "target_chars", "inversion_rate"),
    }
    assert shots == {"counts", "pool", "reserve", "mixed_templates"}
    assert cells == {"variant", "direction", "weight", "quota", "templates"}


def test_forms_pins_and_strict_options_come_back_from_a_lock(quickstart):
    """What a recipe asks for decides the bytes, so it is in the lock, and comes back as it was."""
    recipe = recipe_from_json(
        {
            **quickstart.mixture.recipe.raw,
            "shots": {"forms": {"fs_opt": {"five_shot": 1, "counts": 0.5}}},
            "styles": {"options": {"items": ["dash"]}},
            "options": {"strict": True},
            "templates_from": "ours",
            "filters": {"held_out": "exclude"},
        },
        file="quickstart",
    )
    owners, _ = select_tasks(recipe, quickstart.mixture.cards)
    mixture = replace(quickstart.mixture, recipe=recipe, owners=owners)
    made = lock_mixture(mixture, stored=quickstart.stored, broken={})
    again = lock_from_json(json.loads(json.dumps(made.to_json())))

    assert again.plan == made.plan
    assert again.fingerprint == made.fingerprint
    settings = again.plan.tasks[0].settings
    assert settings == owners[again.plan.tasks[0].task].settings
    assert [s.id for s in again.style_pools_for(settings).styles.option_items] == ["dash"]
    assert len({c.form for t in again.plan.tasks for c in t.cells}) == 2
