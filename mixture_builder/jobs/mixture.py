"""A mixture on its way: files loaded, rows ingested, plan locked, shards built.

    load_mixture -> ingest_mixture -> lock_mixture -> build_mixture

What is wrong with one task leaves that task out, with its reason; what is wrong with the
recipe or the styles ends the work. `Runner` says where jobs run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from mixture_builder.card_facts import card_facts
from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.errors import BuildError, InvalidFilesError, SourceError
from mixture_builder.findings import Finding, Report
from mixture_builder.io.atomic import remove_leftovers
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.remote_store import origin
from mixture_builder.io.rowstore import StoredTask, find_tasks, task_fingerprint
from mixture_builder.io.storage import again_if_busy, at_once, storage_of
from mixture_builder.jobs.build import check_store, finish_build
from mixture_builder.jobs.ingest.failures import without_locations
from mixture_builder.jobs.ingest.planning import (
    is_stored,
    order_of_sources,
    plan_parts,
    remove_dead_work,
)
from mixture_builder.jobs.ingest.specs import PartResult, PartSpec, TaskSpec
from mixture_builder.jobs.resume import (
    alone_in_mixture,
    alone_in_store,
    collected_quarantine,
    damaged_shards,
    finished_manifest,
    finished_shards,
    refuse_other_content,
    remove_other_shards,
)
from mixture_builder.jobs.reuse import reopen, reusable_shards
from mixture_builder.jobs.sieve import Excluded, Sieved, counted_by_reason, excluded_of, sieve_tasks
from mixture_builder.jobs.sizing import Lengths, mean_lengths, measure, sample_of
from mixture_builder.lock import Lock, LockedTask
from mixture_builder.manifest import ShardResult
from mixture_builder.plan import MixturePlan, make_plan
from mixture_builder.recipe_checks import (
    check_overrides,
    check_styles,
    filter_tasks,
    refused_origin,
)
from mixture_builder.recipes import MixtureRecipe, Submixture, load_recipe, select_tasks
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.sizes import Size
from mixture_builder.styles import Styles, load_styles
from mixture_builder.template_files import check_names, load_templates
from mixture_builder.templates import TemplateSet


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedRecipe:
    """A recipe with the files it needs.

    Attributes:
      owners: the submixture of each task that the recipe names.
      cards, templates: of the tasks that can be built.
      styles: the pools, and `styles_plain` their plain data.
      broken: tasks (or card files) that cannot be built, and why.
      filtered: tasks that the recipe names and its filters take out, and why; they stand in none
        of the others.
    """

    recipe: MixtureRecipe
    owners: Mapping[str, Submixture]
    cards: Mapping[str, TaskCard]
    templates: Mapping[str, TemplateSet]
    styles: Styles
    styles_plain: Mapping[str, Any]
    broken: Mapping[str, str]
    filtered: Mapping[str, str] = field(default_factory=dict)


class Runner(Protocol):
    """Where jobs run: a pool on this machine, or Beam."""

    def ingest(
        self, parts: Sequence[Sequence[PartSpec]], tried: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, StoredTask | str]]:
        """Ingests tasks, each given by its parts; yields id and stored task or error."""
        ...

    def build(
        self,
        lock: Lock,
        *,
        store: Path,
        out: str,
        shards: Sequence[int],
        on_rendered: Callable[[int], None] | None = None,
    ) -> Iterator[ShardResult]:
        """Builds shards; yields their results in any order.

        Where examples are rendered before their shards are written, `on_rendered` is told how
        many.
        """
        ...


def load_mixture(
    path: Path,
    *,
    shown_as: str,
    seed: int | None = None,
    cards: Path | None = None,
    templates: Path | None = None,
) -> LoadedRecipe:
    """Reads a recipe and all that it names.

    Args:
      path: the recipe.
      shown_as: how messages name it.
      seed: replaces the recipe's.
      cards: folder that replaces the recipe's, or the shipped one.
      templates: likewise.

    Raises:
      InvalidFilesError: if the recipe or the styles have errors, with all of them.
    """
    recipe, findings = load_recipe(path, shown_as=shown_as)
    if recipe is None:
        raise InvalidFilesError(tuple(findings))
    if seed is not None:
        recipe = replace(recipe, seed=seed)
    card_folder = cards or recipe.cards or cards_folder()
    template_folder = templates or recipe.templates or templates_folder()
    globs = [glob for part in recipe.root.walk() for glob in part.tasks]
    found, card_findings = load_cards(card_folder, wanted=_may_hold(globs, card_folder))
    broken = _by_file(card_findings)
    owners, selection = select_tasks(recipe, found)
    # A folder of one's own needs no styles: those that come with the package serve as well.
    own_styles = (template_folder / "styles").is_dir()
    styles, styles_plain, style_findings = load_styles(
        template_folder if own_styles else templates_folder()
    )
    # A card with errors has no id to select; the recipe is not to blame for that.
    excused = [f for f in selection if broken and "names no card" in f.message]
    fatal = [f for f in [*selection, *style_findings] if f not in excused]
    filtered, filter_findings = filter_tasks(recipe, owners, found)
    fatal += [*filter_findings, *check_overrides(recipe, owners, found)]
    if styles is not None:
        fatal += check_styles(recipe, styles)
    if styles is None or fatal or not owners:
        raise InvalidFilesError((*fatal, *excused, *card_findings))
    template_sets: dict[str, TemplateSet] = {}
    sound: set[_Names] = set()
    for task, part in owners.items():
        if task in filtered:
            continue
        why, loaded = _templates_of(found[task], template_folder, template_sets, sound)
        if loaded is None:
            broken[task] = why
        elif refused := refused_origin(part, loaded):
            filtered[task] = refused
    owners = {task: part for task, part in owners.items() if task not in filtered}
    return LoadedRecipe(
        recipe=recipe,
        owners=owners,
        cards={t: found[t] for t in owners},
        templates=template_sets,
        styles=styles,
        styles_plain=styles_plain,
        broken=broken,
        filtered=dict(sorted(filtered.items())),
    )


def _may_hold(globs: Sequence[str], folder: Path) -> Callable[[str], bool] | None:
    """Whether a card file can hold a card that one of the globs names.

    Cards write their ids out, so a file without any of the ids that a recipe names one by one
    need not be parsed. The ids of a family are made of its table.
    """
    parts: dict[str, set[bytes]] = {}
    for glob in globs:
        parts.setdefault(glob.split("/")[0], set()).add(glob.encode())
    if any(set(part) & set("*?[") for part in parts):
        return None

    def wanted(path: str) -> bool:
        ids = parts.get(path.split("/", maxsplit=1)[0])
        if ids is None:
            return False
        if any(set(b"*?[") & set(one) for one in ids):
            return True
        try:
            text = (folder / path).read_bytes()
        except OSError:
            return True
        return b"family" in text or any(one in text for one in ids)

    return wanted


def _by_file(findings: Iterable[Finding]) -> dict[str, str]:
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.file, []).append(finding)
    return {file: Report(findings=tuple(f)).format() for file, f in grouped.items()}


_Names = tuple[str, frozenset[str], frozenset[str]]
"""A template file, and the names that a card gives it: all of them, and those that may be empty."""


def _templates_of(
    card: TaskCard, folder: Path, known: dict[str, TemplateSet], sound: set[_Names]
) -> tuple[str, TemplateSet | None]:
    loaded = known.get(card.templates)
    findings: Sequence[Finding] = ()
    if loaded is None:
        loaded, findings = load_templates(folder, card.templates)
    if loaded is not None:
        optional = frozenset(f.name for f in card.fields if f.optional)
        names = (card.templates, card.template_names(), optional)
        # Thousands of tasks of one family give the same names to the same file.
        if names not in sound:
            findings = list(check_names(loaded, known=names[1], optional=optional, task=card.id))
            if not findings:
                sound.add(names)
    if findings or loaded is None:
        return Report(findings=tuple(findings)).format(), None
    known[card.templates] = loaded
    return "", loaded


def ingest_mixture(
    mixture: LoadedRecipe,
    *,
    store: Path,
    mirror: Mirror,
    runner: Runner,
    on_task: Callable[[str, StoredTask | str, bool], None] | None = None,
    on_sieved: Callable[[Sieved], None] | None = None,
) -> tuple[dict[str, StoredTask], dict[str, str]]:
    """Brings the rows of all tasks into the store; those that are there are skipped.

    Args:
      mixture: as loaded.
      store: root of the row store.
      mirror: the user's copies of upstream files.
      runner: where jobs run.
      on_task: told of each task as it is finished: id, result, whether it was there before.
      on_sieved: told what came of leaving out the rows that the recipe's lists name.

    Returns:
      The stored tasks, without the rows that the recipe leaves out, and those that could not be
      ingested or of which no row is left, with the reason.

    Raises:
      InvalidFilesError: if a list of rows that the recipe names has errors, before any source is
        read.
    """
    excluded = excluded_of(mixture.recipe, mixture.owners)
    stored: dict[str, StoredTask] = {}
    broken: dict[str, str] = {}
    keep_tokenizers(mixture, store=store)

    def tell(task: str, result: StoredTask | str, *, there_before: bool = False) -> None:
        if isinstance(result, str):
            broken[task] = result
        else:
            stored[task] = result
        if on_task:
            on_task(task, result, there_before)

    pending: dict[str, int] = {}
    later: dict[str, list[int]] = {}
    sound = [card for task, card in mixture.cards.items() if task not in mixture.broken]

    def look_up(card: TaskCard) -> StoredTask | None:
        return is_stored(card, store=store, mirror=mirror)

    # A store elsewhere answers slowly, but many at a time.
    known = at_once(look_up, sound) if origin(store) else map(look_up, sound)
    for card, there in zip(sound, known, strict=True):
        task = card.id
        if there is None:
            pending[task], *later[task] = order_of_sources(card, mirror=mirror)
        else:
            tell(task, there, there_before=True)
    cards = {card.id: card for card in sound}
    if pending:
        with alone_in_store(store):
            # Of tasks that are stored, too: a worker may have been killed before another was done.
            remove_dead_work(store, cards)
            try:
                _ingest_pending(
                    mixture, pending, later, store=store, mirror=mirror, runner=runner, tell=tell
                )
            finally:
                # A worker that was killed has left its unfinished files.
                remove_dead_work(store, {task: cards[task] for task in later})
    elif (Path(store) / ".lock").exists():
        # An ingest that was killed when all was done has left its lock; a live one keeps it.
        with suppress(BuildError), alone_in_store(store):
            remove_dead_work(store, cards)
    stored = _without_excluded(stored, broken, excluded, store=store, on_sieved=on_sieved)
    return dict(sorted(stored.items())), dict(sorted(broken.items()))


def _without_excluded(
    stored: dict[str, StoredTask],
    broken: dict[str, str],
    excluded: Excluded,
    *,
    store: Path,
    on_sieved: Callable[[Sieved], None] | None = None,
) -> dict[str, StoredTask]:
    """The tasks without the rows that lists name; those of which no row is left are broken."""
    if not excluded:
        return stored
    sieved = sieve_tasks(stored, excluded, store=store)
    for task in [t for t, s in sieved.stored.items() if not s.rows]:
        found = counted_by_reason({task: sieved.stored.pop(task)})
        listed = ", ".join(f"{n:,} {reason}" for reason, n in found.items())
        broken[task] = f"{task}: lists of excluded rows leave no row of it ({listed})."
    if on_sieved:
        on_sieved(sieved)
    return sieved.stored


def _ingest_pending(
    mixture: LoadedRecipe,
    pending: dict[str, int],
    later: Mapping[str, list[int]],
    *,
    store: Path,
    mirror: Mirror,
    runner: Runner,
    tell: Callable[[str, StoredTask | str], None],
) -> None:
    """Ingests tasks from their first source that can be read; see `ingest_mixture`."""
    tried: dict[str, tuple[str, ...]] = {}
    while pending:
        parts, failed = _plan_all(mixture, pending, store=store, mirror=mirror)
        for task, result in runner.ingest(parts, tried):
            if isinstance(result, str):
                failed[task] = result
            else:
                tell(task, result)
        again: dict[str, int] = {}
        for task, why in failed.items():
            tried[task] = (*tried.get(task, ()), why)
            if later[task]:
                again[task] = later[task].pop(0)
            else:
                tell(task, " | ".join(tried[task]))
        pending = again


def keep_tokenizers(mixture: LoadedRecipe, *, store: Path) -> None:
    """Brings the tokenizers that a recipe names into the store.

    Raises:
      UsageError: if one of them is none.
    """
    for sha256, path in mixture.recipe.tokenizers.items():
        from mixture_builder.io.tokenizer import keep_tokenizer

        keep_tokenizer(store, path, sha256=sha256)


def stored_mixture(
    mixture: LoadedRecipe, *, store: Path
) -> tuple[dict[str, StoredTask], dict[str, str]]:
    """The rows of all tasks as they are in the store, without a look at their sources.

    Returns:
      As `ingest_mixture`: those that are not stored are broken.
    """
    wanted = {
        task: task_fingerprint(card)
        for task, card in mixture.cards.items()
        if task not in mixture.broken
    }
    stored = find_tasks(store, wanted)
    why = "it is not in the store. Run ingest."
    broken = {task: f"{task}: {why}" for task in wanted if task not in stored}
    excluded = excluded_of(mixture.recipe, mixture.owners)
    stored = _without_excluded(stored, broken, excluded, store=store)
    return dict(sorted(stored.items())), dict(sorted(broken.items()))


def _plan_all(
    mixture: LoadedRecipe, pending: Mapping[str, int], *, store: Path, mirror: Mirror
) -> tuple[list[list[PartSpec]], dict[str, str]]:
    """Parts of the tasks whose files are there, and why the others' are not."""
    parts: list[list[PartSpec]] = []
    failed: dict[str, str] = {}
    for task, alternative in pending.items():
        card = mixture.cards[task]
        try:
            parts.append(plan_parts(card, store=store, mirror=mirror, alternative=alternative))
        except SourceError as problem:
            failed[task] = str(problem)
    return parts, failed


def task_spec(
    parts: Sequence[PartSpec], results: Sequence[PartResult], tried: tuple[str, ...]
) -> TaskSpec:
    """The spec that finishes a task whose parts are read."""
    return TaskSpec(
        card=parts[0].card,
        store=parts[0].store,
        alternative=parts[0].alternative,
        files=tuple(file for part in parts for file in part.files),
        parts=tuple(results),
        tried=tried,
    )


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
    from mixture_builder.io.tokenizer import load_tokenizer

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


def build_mixture(
    lock: Lock,
    *,
    store: Path,
    out: str,
    runner: Runner,
    on_shard: Callable[[ShardResult, bool], None] | None = None,
    on_rendered: Callable[[int], None] | None = None,
    take: int = 0,
    update: bool = False,
) -> dict[str, Any]:
    """Builds what is missing of a mixture and writes its manifest.

    Shards that an interrupted build of the same lock has finished are kept if their bytes
    are still those that were written. In a finished mixture only damaged shards are built
    again, and those that are missing of more shards than it has.

    Args:
      lock: of the mixture.
      store: root of the row store.
      out: folder or URL of the mixture.
      runner: where jobs run.
      on_shard: told of each shard: its result, and whether it was there before.
      on_rendered: see `Runner.build`.
      take: how many shards, from the first on; 0 for all.
      update: make another finished mixture in the folder into this one; shards that come out the
        same are not touched.

    Returns:
      Plain data of the manifest.

    Raises:
      StoreError: if the store holds other rows than the lock was made for.
      BuildError: if the folder holds another mixture, or more shards of this one, if another
        process builds into it, or if a shard cannot be built.
    """
    take = take or lock.plan.shards
    with ExitStack() as held:
        # A finished mixture is only read, or mended with the bytes that it had.
        finished = finished_manifest(*storage_of(out))
        if finished is None or not _is_this(finished, lock, take=take):
            held.enter_context(alone_in_mixture(out))
        stored = stored_tasks(lock, store=store)
        check_store(lock, stored)
        # What stood there may be another one by the time that we are alone.
        finished = finished_manifest(*storage_of(out))
        if finished is not None and _is_this(finished, lock, take=take):
            return _mend(lock, finished, store=store, out=out, runner=runner, on_shard=on_shard)
        if finished is not None:
            kept = reusable_shards(lock, finished, take=take)
            _refuse_to_replace(lock, finished, out=out, take=take, update=update, kept=len(kept))
            reopen(lock, kept, out=out)
        return _build_missing(
            lock,
            store=store,
            out=out,
            runner=runner,
            on_shard=on_shard,
            on_rendered=on_rendered,
            take=take,
            stored=stored,
        )


def _is_this(finished: Mapping[str, Any], lock: Lock, *, take: int) -> bool:
    same = finished.get("fingerprint") == lock.fingerprint
    return same and len(finished["shards"]) == take


def _refuse_to_replace(
    lock: Lock, finished: Mapping[str, Any], *, out: str, take: int, update: bool, kept: int
) -> None:
    """Nothing that is finished is replaced unless that was asked for; adding shards is no harm."""
    there = len(finished["shards"])
    if finished.get("fingerprint") == lock.fingerprint:
        if there > take:
            raise BuildError(
                f"{out}: found the first {there} of the mixture's {lock.plan.shards} shards, which "
                f"is more than the {take} that are asked for. Read the first {take} files of it, "
                "or choose another --out."
            )
        return
    if not update:
        raise BuildError(
            f"{out}: found another finished mixture ('{finished.get('name')}', fingerprint "
            f"{finished.get('fingerprint')}); this one has {lock.fingerprint}. Choose another "
            f"--out, or delete the folder, or replace it with --update: {kept} of {take} shards "
            "would stay as they are."
        )


def _mend(
    lock: Lock,
    finished: dict[str, Any],
    *,
    store: Path,
    out: str,
    runner: Runner,
    on_shard: Callable[[ShardResult, bool], None] | None,
) -> dict[str, Any]:
    """Builds damaged shards of a finished mixture again; they must come out as they were."""
    files, root = storage_of(out)
    damaged = damaged_shards(finished, files, root)
    for result in runner.build(lock, store=store, out=out, shards=damaged):
        refuse_other_content(finished, result, out=out)
        if on_shard:
            on_shard(result, False)  # noqa: FBT003  (a callback's second argument)
    remove_work(files, root)
    return finished


def _build_missing(
    lock: Lock,
    *,
    store: Path,
    out: str,
    runner: Runner,
    on_shard: Callable[[ShardResult, bool], None] | None,
    on_rendered: Callable[[int], None] | None,
    take: int,
    stored: Mapping[str, StoredTask],
) -> dict[str, Any]:
    """Builds what an unfinished folder lacks, and finishes it."""
    files, root = storage_of(out)
    remove_leftovers(f"{out}/data")
    remove_other_shards(lock, files, root, take=take)
    done = finished_shards(lock, files, root, take=take)
    for result in done.values():
        if on_shard:
            on_shard(result, True)  # noqa: FBT003  (a callback's second argument)
    missing = [s for s in range(take) if s not in done]
    for result in runner.build(lock, store=store, out=out, shards=missing, on_rendered=on_rendered):
        done[result.shard] = result
        if on_shard:
            on_shard(result, False)  # noqa: FBT003  (as above)
    # A worker that was killed has left its unfinished file.
    remove_leftovers(f"{out}/data")
    manifest = finish_build(
        lock,
        out=out,
        results=list(done.values()),
        stored=stored,
        quarantine=collected_quarantine(lock, store),
        take=take,
    )
    remove_work(files, root)
    return manifest


def remove_work(files: Any, root: str) -> None:
    """Deletes what only an unfinished build needs."""
    work = f"{root}/.work"

    def remove_all() -> None:
        if files.exists(work):
            files.rm(work, recursive=True)

    again_if_busy(remove_all)


def stored_tasks(lock: Lock, *, store: Path) -> dict[str, StoredTask]:
    """What the store knows of the lock's tasks; those it does not hold are missing."""
    return find_tasks(store, {task: locked.stored for task, locked in lock.tasks.items()})
