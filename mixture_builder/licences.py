"""Which licences stand in a mixture: read from its manifest, for cards, releases and checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixture_builder.hub_terms import UNKNOWN, hub_licence, spdx_address


@dataclass(kw_only=True, slots=True)
class LicenceUse:
    """One licence of a mixture's sources.

    Attributes:
      id: as the task cards give it: an SPDX name, `custom` or `unknown`.
      tasks: that are under it, with their examples.
    """

    id: str
    tasks: dict[str, int] = field(default_factory=dict)

    @property
    def examples(self) -> int:
        """Of all its tasks."""
        return sum(self.tasks.values())

    @property
    def known(self) -> bool:
        """Whether it is known what the licence is."""
        return hub_licence(self.id) != UNKNOWN


def about(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the manifest repeats of a task's card; empty in manifests that repeat nothing."""
    found = task.get("card")
    return found if isinstance(found, Mapping) else {}


def licence_of(task: Mapping[str, Any]) -> str:
    """The licence of a task of a manifest; `unknown` where nothing is said."""
    return licence_in(about(task))


def licence_in(card: Mapping[str, Any]) -> str:
    """The licence that a card, as a manifest repeats it, names; `unknown` where it names none."""
    return str(terms_of(card).get("id") or UNKNOWN)


def terms_of(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a card, as a manifest repeats it, says of its licence: `id`, `read_at`, `note`."""
    found = card.get("licence")
    return found if isinstance(found, Mapping) else {}


def licences_of(manifest: Mapping[str, Any]) -> list[LicenceUse]:
    """All licences of the tasks that gave examples, those of most examples first.

    Args:
      manifest: plain data of the manifest.
    """
    uses: dict[str, LicenceUse] = {}
    for name, task in manifest["tasks"].items():
        if task["realised"]:
            licence = licence_of(task)
            uses.setdefault(licence, LicenceUse(id=licence)).tasks[name] = task["realised"]
    return sorted(uses.values(), key=lambda use: (-use.examples, use.id))


def hub_licences(manifest: Mapping[str, Any]) -> list[str]:
    """The Hub's names of all licences, each once, those of most examples first."""
    return list(dict.fromkeys(hub_licence(use.id) for use in licences_of(manifest)))


def spdx_addresses(uses: Iterable[LicenceUse]) -> list[str]:
    """The pages of SPDX about the licences that it knows, in their order."""
    return [address for use in uses if (address := spdx_address(use.id))]
