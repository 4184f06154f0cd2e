"""What is known of a template's text by itself: which names it reads and shows, and its options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_parsing import names_used, parse

_MOST = 100_000
"""Texts whose facts are held; far above what any recipe has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFacts:
    """What follows from one text.

    Attributes:
      names: that it reads.
      shown: names whose value it prints, not merely tests.
      use_of_options: `always`, `never` or `either`: whether it needs the list of options. Shown
        outside every `if`: always. Shown only under conditions that name it: either.
      writes_options: whether it lists the options by itself, not in a drawn style.
    """

    names: frozenset[str]
    shown: frozenset[str]
    use_of_options: str
    writes_options: bool


_known: dict[str, TextFacts] = {}


def facts_of(source: str) -> TextFacts:
    """The facts of a text; worked out once.

    Raises:
      TemplateSyntaxError: as for `jinja_parsing.parse`.
    """
    facts = _known.get(source)
    if facts is None:
        tree = parse(source)
        shown = _shown_names(tree)
        use = "never"
        if "options_text" in shown:
            use = "always" if _shown_outside_condition(tree) else "either"
        facts = TextFacts(
            names=frozenset(compile_text(source).names),
            shown=shown,
            use_of_options=use,
            writes_options="options" in shown and "options_text" not in shown,
        )
        _know(source, facts)
    return facts


def facts_to_json(sources: Iterable[str]) -> dict[str, Any]:
    """Plain data of the facts of some texts, for `know_facts`."""
    plain = {}
    for source in sources:
        facts = facts_of(source)
        plain[source] = [
            sorted(facts.names),
            sorted(facts.shown),
            facts.use_of_options,
            facts.writes_options,
        ]
    return plain


def know_facts(plain: Mapping[str, Any]) -> None:
    """Takes facts that were worked out before, so that the texts need not be parsed."""
    for source, (names, shown, use, writes) in plain.items():
        facts = TextFacts(
            names=frozenset(names),
            shown=frozenset(shown),
            use_of_options=use,
            writes_options=writes,
        )
        _know(source, facts)


def _know(source: str, facts: TextFacts) -> None:
    if len(_known) >= _MOST:
        _known.clear()
    _known[source] = facts


def _shown_outside_condition(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Name):
        return node.name == "options_text"
    if isinstance(node, (nodes.If, nodes.CondExpr)) and "options_text" in names_used(node.test):
        return False
    return any(_shown_outside_condition(child) for child in node.iter_child_nodes())


def _shown_names(node: nodes.Node) -> frozenset[str]:
    if isinstance(node, nodes.Name):
        return frozenset([node.name])
    parts: frozenset[str] = frozenset()
    for child in node.iter_child_nodes():
        if isinstance(node, (nodes.If, nodes.CondExpr)) and child is node.test:
            continue
        if isinstance(node, nodes.Filter) and node.name in {"length", "count", "wordcount"}:
            continue
        parts |= _shown_names(child)
    return parts
