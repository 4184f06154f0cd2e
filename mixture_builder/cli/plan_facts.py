"""What `plan` shows of a plan, as plain data: parts, tasks, what runs dry, what filters take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixture_builder.jobs.inspect.counts import Counts
    from mixture_builder.jobs.inspect.forecast import Forecast
    from mixture_builder.jobs.loading import LoadedRecipe
    from mixture_builder.plan import MixturePlan, TaskPlan
    from mixture_builder.recipes import Submixture


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """A plan with all that is known around it."""

    plan: MixturePlan
    mixture: LoadedRecipe
    counts: Counts
    forecast: Forecast

    @cached_property
    def parts(self) -> list[dict[str, Any]]:
        """Facts of each part of the recipe, those of the parts in it included."""
        return [
            {
                "path": part.path,
                "rate": str(part.rate),
                "asked_share": str(self.asked_shares[part.path]),
                **self.totals(self.tasks_in(part.path)),
                "asked_variants": {v: str(rate) for v, rate in part.settings.variants},
            }
            for part in self.mixture.recipe.root.walk()
            if part.path
        ]

    def tasks_in(self, path: str) -> list[TaskPlan]:
        """Tasks of a part and of those in it."""
        return [t for t in self.plan.tasks if f"{t.submixture}.".startswith(f"{path}.")]

    def totals(self, tasks: Sequence[TaskPlan]) -> dict[str, Any]:
        """What some tasks come to together."""
        variants: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for task in tasks:
            for cell in task.cells:
                variants[cell.name] += cell.quota
            sizes.update(self.forecast.cells[task.task])
        size = sum(self.forecast.bytes[t.task] for t in tasks)
        quota = sum(t.quota for t in tasks)
        return {
            "tasks": len(tasks),
            "share": str(sum((t.share for t in tasks), Fraction(0))),
            "quota": quota,
            "rows": sum(t.rows for t in tasks),
            "estimated": sum(t.task in self.counts.estimated for t in tasks),
            "scarce": sum(t.quota > t.query_rows for t in tasks),
            "dry": sum(t.task in self.plan.dry for t in tasks),
            "most_passes": _rounded(max((t.passes for t in tasks), default=Fraction(0))),
            "bytes": size,
            "bytes_estimated": sum(t.task in self.forecast.estimated for t in tasks),
            "cpu_seconds": self._seconds(quota, size),
            "variants": dict(sorted(variants.items())),
            "variant_bytes": dict(sorted(sizes.items())),
            "variant_cpu_seconds": self._of_variants(variants, sizes),
        }

    @cached_property
    def asked_shares(self) -> dict[str, Fraction]:
        """The share of each part by the rates alone, whatever filters leave of it."""

        def walk(part: Submixture, share: Fraction) -> Iterator[tuple[str, Fraction]]:
            yield part.path, share
            whole = sum((p.rate for p in part.parts), Fraction(0))
            for inner in part.parts:
                yield from walk(inner, share * inner.rate / whole if whole else Fraction(0))

        return dict(walk(self.mixture.recipe.root, Fraction(1)))

    @cached_property
    def without_repeats(self) -> dict[str, int]:
        """The nearest quotas with which no row is used twice, by part; parts in it included."""
        from mixture_builder.plan import without_repeats

        quotas = without_repeats(self.mixture.recipe, self.plan)
        return {
            part.path: sum(quotas.get(t.task, 0) for t in self.tasks_in(part.path))
            for part in self.mixture.recipe.root.walk()
            if part.path
        }

    @cached_property
    def repeated(self) -> int:
        """Examples that ask about a row that another has asked about before."""
        return sum(max(0, t.quota - t.query_rows) for t in self.plan.tasks)

    @cached_property
    def losses(self) -> dict[str, list[str]]:
        """Tasks that filters take out, by the part that names them."""
        found = {
            part.path: part.select(self.mixture.filtered)
            for part in self.mixture.recipe.root.walk()
            if part.tasks
        }
        return {path: lost for path, lost in found.items() if lost}

    def to_json(self) -> dict[str, Any]:
        """Plain data of everything."""
        plan = self.plan
        nearest = self.without_repeats
        whole = max(1, sum(nearest[p.path] for p in self.mixture.recipe.root.parts))
        return {
            "name": plan.name,
            "seed": plan.seed,
            "examples": plan.examples,
            "wanted": plan.wanted or plan.examples,
            "shards": plan.shards,
            "estimated": len(self.counts.estimated),
            "repeated": self.repeated,
            "bytes": sum(self.forecast.bytes.values()),
            "bytes_estimated": len(self.forecast.estimated),
            "cpu_seconds": round(self.forecast.seconds(plan), 1),
            "tokens": {
                name: {
                    "inputs": sum(inputs for inputs, _ in tasks.values()),
                    "targets": sum(targets for _, targets in tasks.values()),
                }
                for name, tasks in self.forecast.tokens.items()
            },
            "submixtures": {p["path"]: p for p in self.parts},
            "tasks": {t.task: self._task(t) for t in plan.tasks},
            "dry": {
                task: {"asked": asked, "quota": self._quotas[task]}
                for task, asked in plan.dry.items()
            },
            "without_repeats": {
                "examples": whole,
                "shares": {path: str(Fraction(q, whole)) for path, q in nearest.items()},
            },
            "left_out": dict(plan.left_out),
            "filtered_tasks": len(self.mixture.filtered),
            "filtered": self.losses,
        }

    def _seconds(self, examples: int, size: int) -> float:
        return round(self.forecast.rendering_seconds(examples, size), 3)

    @cached_property
    def _quotas(self) -> Mapping[str, int]:
        return {t.task: t.quota for t in self.plan.tasks}

    def _of_variants(self, quotas: Mapping[str, int], sizes: Mapping[str, int]) -> dict[str, float]:
        """Processor time of each variant."""
        return {name: self._seconds(quota, sizes[name]) for name, quota in sorted(quotas.items())}

    def _task(self, task: TaskPlan) -> dict[str, Any]:
        return {
            "submixture": task.submixture,
            "rate": str(task.rate),
            "share": str(task.share),
            "quota": task.quota,
            "rows": task.rows,
            "estimated": task.task in self.counts.estimated,
            "query_rows": task.query_rows,
            "passes": _rounded(task.passes),
            "pool": task.pool,
            "most_exemplars": task.most_exemplars,
            "bytes": self.forecast.bytes[task.task],
            "cpu_seconds": self._seconds(task.quota, self.forecast.bytes[task.task]),
            "tokens": {
                name: dict(zip(("inputs", "targets"), tasks[task.task], strict=True))
                for name, tasks in self.forecast.tokens.items()
                if task.task in tasks
            },
            "variants": {cell.name: cell.quota for cell in task.cells},
            "variant_bytes": dict(self.forecast.cells[task.task]),
            "variant_cpu_seconds": self._of_variants(
                {cell.name: cell.quota for cell in task.cells}, self.forecast.cells[task.task]
            ),
            "templates": task.templates,
        }


def _rounded(value: Fraction) -> float:
    return round(float(value), 3)
