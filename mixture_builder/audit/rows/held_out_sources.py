"""Where held-out items come from: cards of held-out sets, and files of the user.

A card's rows go through the row store like those of any task. Fields that hold answers are not
looked for: an answer alone shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mixture_builder.audit.rows.held_out import HeldOutItem
from mixture_builder.card_files import load_held_out_cards
from mixture_builder.cards import HELD_OUT_KIND, TaskCard
from mixture_builder.errors import InvalidFilesError, SourceError, UsageError
from mixture_builder.findings import did_you_mean
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import BadRecord, SourceFile, read_file
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import StoredTask, task_folder
from mixture_builder.jobs.ingest.part import ingest_part
from mixture_builder.jobs.ingest.planning import is_stored, order_of_sources, plan_parts
from mixture_builder.jobs.ingest.specs import TaskSpec
from mixture_builder.jobs.ingest.task import finish_task
from mixture_builder.sources import Format, Source

ANSWERS = frozenset(["answer", "answers", "answer_index", "rationale", "target"])
"""Fields of held-out cards that are not looked for."""

DEFAULT_COLUMNS = ("question", "input", "text", "options", "choices")
"""Columns of a file that are looked for where none are named, as far as it has them."""

_SUFFIXES: dict[str, Format] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
}

_BLOCK = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutSet:
    """One held-out set whose items can be read.

    Attributes:
      name: id of the card, or name of the file.
      card: for a set with a card; `stored` are its rows.
      file: for a file of the user.
      columns: of the file that are looked for; empty for `DEFAULT_COLUMNS`.
    """

    name: str
    card: TaskCard | None = None
    stored: StoredTask | None = None
    file: Path | None = None
    columns: tuple[str, ...] = ()

    def items(self, *, store: Path) -> Iterator[HeldOutItem]:
        """The items, one after another.

        Raises:
          SourceError: if the file cannot be read, or has none of the columns.
        """
        if self.stored is not None:
            return _stored_items(self.stored, store=store)
        assert self.file is not None
        return _file_items(self.name, self.file, self.columns)


def find_held_out(name: str, *, cards: Path, columns: Sequence[str]) -> HeldOutSet:
    """A set by the name of its card or the path of a file.

    Args:
      name: `mmlu`, `heldout/mmlu`, or a path.
      cards: folder of cards, with a folder `heldout`.
      columns: of a file that are looked for.

    Raises:
      UsageError: if there is no such card and no such file.
      InvalidFilesError: if cards of held-out sets have errors.
    """
    path = Path(name).expanduser()
    if path.suffix in _SUFFIXES:
        if not path.is_file():
            raise UsageError(f"{name}: found no such file.")
        return HeldOutSet(name=path.name, file=path.absolute(), columns=tuple(columns))
    found, findings = load_held_out_cards(cards)
    card = found.get(name) or found.get(f"{HELD_OUT_KIND}/{name}")
    if card is not None:
        return HeldOutSet(name=card.id, card=card)
    if findings:
        raise InvalidFilesError(tuple(findings))
    known = [c.removeprefix(f"{HELD_OUT_KIND}/") for c in found]
    hint = did_you_mean(name, known) or f"Cards there are: {', '.join(known) or 'none'}."
    raise UsageError(
        f"{name}: found no held-out set of that name; expected a card's or a file ending in "
        f"{', '.join(_SUFFIXES)}. {hint}"
    )


def bring_in(found: HeldOutSet, *, store: Path, mirror: Mirror) -> HeldOutSet:
    """The set with its card's rows in the store; read only if they are not there yet.

    Raises:
      SourceError: if none of the card's sources can be read.
    """
    card = found.card
    if card is None:
        return found
    stored = is_stored(card, store=store, mirror=mirror)
    tried: list[str] = []
    for alternative in [] if stored else order_of_sources(card, mirror=mirror):
        try:
            parts = plan_parts(card, store=store, mirror=mirror, alternative=alternative)
        except SourceError as problem:
            tried.append(str(problem))
            continue
        done = finish_task(
            TaskSpec(
                card=card,
                store=str(store),
                alternative=alternative,
                files=tuple(file for part in parts for file in part.files),
                parts=tuple(map(ingest_part, parts)),
                tried=tuple(tried),
            )
        )
        if isinstance(done, StoredTask):
            stored = done
            break
        tried.append(done)
    if stored is None:
        raise SourceError(" | ".join(tried))
    return HeldOutSet(name=found.name, card=card, stored=stored)


def _stored_items(stored: StoredTask, *, store: Path) -> Iterator[HeldOutItem]:
    folder = task_folder(store, stored.task, stored.fingerprint)
    rows = StoredRows(folder, expected_rows=stored.rows)
    names = [name for name in rows.fields if name not in ANSWERS]
    for first in range(0, stored.rows, _BLOCK):
        at = np.arange(first, min(first + _BLOCK, stored.rows))
        columns = rows.columns(names, at)
        for number, place in enumerate(rows.places(at)):
            texts = _texts([columns[name][number] for name in names])
            yield HeldOutItem(held_out=stored.task, item=place, texts=texts)


def _file_items(name: str, path: Path, columns: tuple[str, ...]) -> Iterator[HeldOutItem]:
    read_as = _SUFFIXES[path.suffix]
    assert read_as in get_args(Format)
    source = Source(
        files=(path.name,), format=read_as, columns=("text",) if read_as == "text" else ()
    )
    file = SourceFile(name=path.name, location=str(path), format=read_as)
    seen = False
    for item in read_file(source, file):
        if isinstance(item, BadRecord):
            raise SourceError(
                f"{item.place}: {item.reason}: {item.detail}. A held-out file is read whole or "
                "not at all: mend the record or remove it."
            )
        wanted = columns or [c for c in DEFAULT_COLUMNS if c in item.record]
        missing = [c for c in wanted if c not in item.record]
        if missing or not wanted:
            there = ", ".join(item.record)
            raise SourceError(
                f"{item.place}: found the columns {there}; expected "
                f"{', '.join(missing or DEFAULT_COLUMNS[:3])}. Name those to look for with "
                "--column."
            )
        seen = True
        texts = _texts([item.record[c] for c in wanted])
        yield HeldOutItem(held_out=name, item=item.place, texts=texts)
    if not seen:
        raise SourceError(f"{name}: found no record; expected at least one.")


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    """The texts among values: texts, and those in lists and mappings of lists."""
    texts: list[str] = []
    for value in values:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (list, tuple)):
            texts += _texts(value)
        elif isinstance(value, dict):
            texts += _texts(list(value.values()))
    return tuple(text for text in texts if text.strip())
