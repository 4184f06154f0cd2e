"""What an audit knows of a mixture before it reads it: lock, manifest, where its shards are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from mixture_builder.audit.layouts import Layouts
from mixture_builder.audit.style_book import StyleBook
from mixture_builder.licences import about
from mixture_builder.lock import Lock, lock_from_json
from mixture_builder.plan import TaskPlan
from mixture_builder.shards import shard_name
from mixture_builder.style_pools import StylePools
from mixture_builder.templates import PromptTemplate

FEW = 10_000
"""So many records of the first shard are taken apart in any case; of mixtures that are no larger,
all are."""


@dataclass(frozen=True, kw_only=True)
class AuditContext:
    """A mixture under audit; can be pickled for workers.

    Attributes:
      lock: plain data of its lock.
      out: folder or URL of the built mixture; empty if its examples are rendered for the audit.
      store: root of the row store; empty if there is none that holds its rows.
      manifest: plain data; of a mixture that is not built, what is known before: `name`,
        `fingerprint` and, by task, `card`.
      tokenizer: path of a `tokenizer.json`; empty if tokens are not counted.
      held_out: folder of an index of held-out items; empty if none are looked for.
      near_share: share of an item's runs of words that makes a near copy.
      given: folder of what the rows give; empty if it is worked out for each stretch.
    """

    lock: Mapping[str, Any]
    manifest: Mapping[str, Any]
    out: str = ""
    store: str = ""
    tokenizer: str = ""
    held_out: str = ""
    near_share: float = 0.5
    given: str = ""

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: nothing that follows from the rest."""
        names = ("lock", "manifest", "out", "store", "tokenizer", "held_out", "near_share", "given")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def locked(self) -> Lock:
        """The lock."""
        return lock_from_json(self.lock)

    @cached_property
    def tasks(self) -> Mapping[str, AuditedTask]:
        """The tasks of the plan by id, in its order."""
        cards = {name: about(task) for name, task in self.manifest.get("tasks", {}).items()}
        return {
            plan.task: AuditedTask(
                plan=plan,
                number=number,
                templates=self.locked.templates[plan.templates],
                pools=self.locked.style_pools_for(plan.settings),
                card=cards.get(plan.task, {}),
            )
            for number, plan in enumerate(self.locked.plan.tasks)
        }

    @cached_property
    def layouts(self) -> Layouts:
        """What drawn styles put into prompts."""
        return Layouts(self.locked.style_pools.styles)

    @cached_property
    def style_book(self) -> StyleBook:
        """What is known of the styles that shards name."""
        return StyleBook(self.layouts)

    @cached_property
    def recipes(self) -> dict[tuple[str, str, str], Any]:
        """What was worked out of templates and rows: a worker reads many shards of a mixture."""
        return {}

    @cached_property
    def of_sorts(self) -> dict[str, dict[tuple[str, str, str], Any]]:
        """What `view.ShardView.of_sorts` has worked out of a task, a template and a variant."""
        return {}

    @cached_property
    def held(self) -> dict[str, Any]:
        """What `given` keeps from one job to the next: its files, what rows of a task give."""
        return {}

    @cached_property
    def bounds_kept(self) -> int:
        """How many numbers say where the parts of a prompt are; 0 if none has exemplars.

        Asked once for each task and stretch, and there may be thousands of tasks to go through.
        """
        most = max((task.most_exemplars for task in self.locked.plan.tasks), default=0)
        return most + 2 if most else 0

    @property
    def built(self) -> bool:
        """Whether there are files to be read."""
        return bool(self.out)

    @property
    def shards(self) -> int:
        """How many shards the mixture has."""
        return len(self.manifest["shards"]) if self.built else self.locked.plan.shards

    def shard_file(self, shard: int) -> str:
        """A shard's file, below the folder of the mixture."""
        if self.built:
            file: str = self.manifest["shards"][shard]["file"]
            return file
        return f"data/{shard_name(shard, self.locked.plan.shards, self.locked.format)}"

    def taken_apart(self, file: str) -> int:
        """How many of a shard's first records are taken apart, also where rows give them so."""
        examples = self.locked.plan.examples
        if examples <= FEW:
            return examples
        return FEW if file == self.shard_file(0) else 0

    def dropped(self, task: str) -> int:
        """Draws of a task that gave no example."""
        counts: Mapping[str, int] = self.manifest["tasks"].get(task, {}).get("dropped", {})
        return sum(counts.values())

    def redrawn(self, task: str) -> int:
        """How often draws of a task took another row."""
        counts: Mapping[str, int] = self.manifest["tasks"].get(task, {}).get("redrawn", {})
        return sum(counts.values())

    def with_dropped(
        self, dropped: Mapping[str, int], *, redrawn: Mapping[str, int]
    ) -> AuditContext:
        """The same for a mixture that is not built, with what rendering it has told."""
        tasks = {
            name: {
                **facts,
                "dropped": {"rendering": dropped.get(name, 0)},
                "redrawn": {"rendering": redrawn.get(name, 0)},
            }
            for name, facts in self.manifest["tasks"].items()
        }
        return replace(self, manifest={**self.manifest, "tasks": tasks})


@dataclass(frozen=True, kw_only=True)
class AuditedTask:
    """What is known of one task.

    Attributes:
      plan: its part of the mixture.
      number: its place in the plan.
      templates: in the file's order.
      pools: of the styles its examples draw from.
      card: what the manifest keeps of its card; empty if that is nothing.
    """

    plan: TaskPlan
    number: int
    templates: tuple[PromptTemplate, ...]
    pools: StylePools
    card: Mapping[str, Any]

    @cached_property
    def template_places(self) -> Mapping[str, int]:
        """Places of the templates in the file, by id."""
        return {template.id: place for place, template in enumerate(self.templates)}

    @property
    def kind(self) -> str:
        """Of the card; empty if it is not known."""
        return str(self.card.get("kind", ""))

    @property
    def shuffled(self) -> bool:
        """Whether the options of its examples are put in an order of their own."""
        return self.plan.settings.shuffle_options and not self.plan.fixed_option_order

    @cached_property
    def lists_options(self) -> bool:
        """Whether any of its examples list options in a drawn style."""
        return any(cell.shows_options for cell in self.plan.cells)
