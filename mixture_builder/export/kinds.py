"""Targets that write every example in two kinds of files, of which the user may choose one."""

from __future__ import annotations

from mixture_builder.export.context import ExportContext
from mixture_builder.export.targets import Setting, choice

_ALL = "all"


def only(*kinds: str, called: str = "kinds") -> dict[str, Setting]:
    """The setting `only` of a target.

    Args:
      kinds: names of the two series.
      called: what they are, in the plural.
    """
    about = f"write only one of the two {called}"
    return {"only": choice(_ALL, *kinds, default=_ALL, about=about)}


def is_wanted(kind: str, context: ExportContext) -> bool:
    """Whether a kind is written."""
    return context.settings["only"] in {_ALL, kind}


def jsonl_of_each(series: str, split: str, _context: ExportContext) -> str:
    """The `layout` with one file of JSON Lines a kind and split."""
    return f"{series}/{split}.jsonl"
