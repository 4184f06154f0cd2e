"""From a loaded recipe and known rows to a plan, and to the lock that a build follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from mixture_builder.card_facts import card_facts
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.ingest.failures import without_locations
from mixture_builder.jobs.lengths import Lengths, mean_lengths
from mixture_builder.jobs.loading import LoadedRecipe
from mixture_builder.lock import Lock, LockedTask
from mixture_builder.plan import MixturePlan, make_plan
from mixture_builder.sizes import Size


def plan_mixture(
    mixture: LoadedRecipe,
    *,
    rows: Mapping[str, int],
    broken: Mapping[str, str],
    shards: int = 0,
    lengths: Mapping[str, Fraction] | None = None,
) -> MixturePlan:
    """The plan for known numbers of rows, and for lengths of examples where a size needs them.

    Raises:
      RecipeError: as for `make_plan`.
    """
    return make_plan(
        mixture.recipe,
        owners=mixture.owners,
        cards=mixture.cards,
        templates=mixture.templates,
        rows=rows,
        broken={t: without_locations(why) for t, why in {**mixture.broken, **broken}.items()},
        filtered=mixture.filtered,
        shards=shards,
        lengths=lengths,
    )


def lock_mixture(
    mixture: LoadedRecipe,
    *,
    stored: Mapping[str, StoredTask],
    broken: Mapping[str, str],
    shards: int = 0,
    format: str = "",  # noqa: A002
    store: Path | None = None,
) -> Lock:
    """The lock for stored tasks.

    Args:
      mixture: as loaded.
      stored: by task.
      broken: tasks that cannot be built, and why.
      shards: instead of the recipe's.
      format: likewise.
      store: root of the row store; needed for a size in bytes or tokens.

    Raises:
      RecipeError: as for `make_plan`.
      StoreError: if the store does not hold the rows, where examples are measured.
    """
    lengths = None
    if mixture.recipe.size.measured and store is not None:
        lengths = mean_lengths(
            mixture.recipe.size,
            measure_mixture(mixture, stored=stored, broken=broken, store=store),
        )
    plan = plan_mixture(
        mixture,
        rows={t: s.rows for t, s in stored.items()},
        broken=broken,
        shards=shards,
        lengths=lengths,
    )
    return _lock_of(mixture, plan, stored, format)


def measure_mixture(
    mixture: LoadedRecipe,
    *,
    stored: Mapping[str, StoredTask],
    broken: Mapping[str, str],
    store: Path,
    tokenizers: Mapping[str, Path] | None = None,
) -> dict[str, Lengths]:
    """How long examples of each task are, by a sample that is always the same.

    Args:
      mixture: as loaded.
      stored: by task.
      broken: tasks that cannot be built, and why.
      store: root of the row store.
      tokenizers: files of tokenizers to count tokens with, by what they are to be called; that of
        the recipe's size is called by its SHA-256.

    Raises:
      RecipeError: as for `make_plan`.
      StoreError: if the store does not hold the rows.
      UsageError: if a file is no tokenizer.
    """
    # A plan from known counts renders nothing, and should not wait for what rendering needs.
    from mixture_builder.io.tokenizer import load_tokenizer
    from mixture_builder.jobs.sizing import keep_tokenizers, measure, sample_of

    keep_tokenizers(mixture, store=store)
    recipe = mixture.recipe
    files = dict(tokenizers or {})
    if recipe.size.tokenizer:
        files[recipe.size.tokenizer] = recipe.tokenizers[recipe.size.tokenizer]
    # Of a large enough mixture every task with a rate has its sample.
    large = replace(mixture, recipe=replace(recipe, size=Size(examples=1 << 40)))
    rows = {t: s.rows for t, s in stored.items()}
    sample = sample_of(plan_mixture(large, rows=rows, broken=broken))
    return measure(
        _lock_of(mixture, sample, stored, ""),
        store=store,
        tokenizers={name: load_tokenizer(str(path)).count for name, path in files.items()},
    )


def _lock_of(
    mixture: LoadedRecipe,
    plan: MixturePlan,
    stored: Mapping[str, StoredTask],
    format: str,  # noqa: A002
) -> Lock:
    tasks = {
        t.task: LockedTask(
            stored=stored[t.task].fingerprint,
            digest=stored[t.task].digest,
            excluded=stored[t.task].excluded,
            excluded_digest=stored[t.task].excluded_digest,
        )
        for t in plan.tasks
    }
    return lock_of_plan(mixture, plan, tasks=tasks, format=format)


def lock_of_plan(
    mixture: LoadedRecipe,
    plan: MixturePlan,
    *,
    tasks: Mapping[str, LockedTask],
    format: str = "",  # noqa: A002
) -> Lock:
    """The lock of a plan that was made of `mixture`, for certain stored rows."""
    used = {t.templates for t in plan.tasks}
    return Lock(
        recipe=mixture.recipe.raw,
        plan=plan,
        tasks=tasks,
        templates={n: mixture.templates[n].templates for n in sorted(used)},
        styles=mixture.styles_plain,
        format=format or mixture.recipe.format,
        cards=card_facts(mixture.cards[t.task] for t in plan.tasks),
    )
