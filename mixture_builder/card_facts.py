"""What a finished mixture keeps of its cards: kinds, languages, licences, citations.

A mixture is sent on without its cards. What whoever gets it has to know of the data in it stands
in the manifest, so that a folder can be audited by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from mixture_builder.cards import TaskCard


def card_facts(cards: Iterable[TaskCard]) -> dict[str, Any]:
    """Plain data: `tasks` by id, and the texts of `citations` by the names that tasks give.

    Tasks of one family have their citation in common; it is kept once.
    """
    tasks: dict[str, Any] = {}
    citations: dict[str, str] = {}
    for card in cards:
        text = (card.citation or "").strip()
        name = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""
        if text:
            citations[name] = text
        tasks[card.id] = {
            "title": card.title,
            "kind": card.kind,
            "languages": list(card.languages),
            "cot": card.cot,
            "licence": dict(card.licence),
            "citation": name,
            "held_out": list(card.held_out),
        }
    return {"tasks": dict(sorted(tasks.items())), "citations": dict(sorted(citations.items()))}
