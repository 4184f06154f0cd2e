"""Mixture Builder: instruction-tuning mixtures, from a recipe to sharded files.

The public names are those of `__all__`. They are imported when they are first used, so that
importing the package, and `mixture-builder --help`, cost next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mixture_builder.version import __version__

if TYPE_CHECKING:
    from mixture_builder.access.mixture import Mixture
    from mixture_builder.card_files import load_cards
    from mixture_builder.cards import TaskCard
    from mixture_builder.drivers.local import LocalRunner
    from mixture_builder.errors import MixtureBuilderError
    from mixture_builder.findings import Finding, Report, Severity
    from mixture_builder.io.mirror import Mirror
    from mixture_builder.jobs.building import build_mixture
    from mixture_builder.jobs.loading import LoadedRecipe, load_mixture
    from mixture_builder.jobs.locking import lock_mixture
    from mixture_builder.jobs.storing import ingest_mixture
    from mixture_builder.lock import Lock
    from mixture_builder.plan import MixturePlan, TaskPlan
    from mixture_builder.recipes import MixtureRecipe, load_recipe
    from mixture_builder.template_files import load_templates
    from mixture_builder.templates import PromptTemplate

_HOMES = {
    "Finding": "findings",
    "LoadedRecipe": "jobs.loading",
    "LocalRunner": "drivers.local",
    "Lock": "lock",
    "Mirror": "io.mirror",
    "Mixture": "access.mixture",
    "MixtureBuilderError": "errors",
    "MixturePlan": "plan",
    "MixtureRecipe": "recipes",
    "PromptTemplate": "templates",
    "Report": "findings",
    "Severity": "findings",
    "TaskCard": "cards",
    "TaskPlan": "plan",
    "build_mixture": "jobs.building",
    "ingest_mixture": "jobs.storing",
    "load_cards": "card_files",
    "load_mixture": "jobs.loading",
    "load_recipe": "recipes",
    "load_templates": "template_files",
    "lock_mixture": "jobs.locking",
}

__all__ = [
    "Finding",
    "LoadedRecipe",
    "LocalRunner",
    "Lock",
    "Mirror",
    "Mixture",
    "MixtureBuilderError",
    "MixturePlan",
    "MixtureRecipe",
    "PromptTemplate",
    "Report",
    "Severity",
    "TaskCard",
    "TaskPlan",
    "__version__",
    "build_mixture",
    "ingest_mixture",
    "load_cards",
    "load_mixture",
    "load_recipe",
    "load_templates",
    "lock_mixture",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mixture_builder.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mixture_builder' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
