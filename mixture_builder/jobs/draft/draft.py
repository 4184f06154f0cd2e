"""From a file, an address or a dataset of the Hub to a first card."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixture_builder.errors import UsageError
from mixture_builder.io.mirror import has_scheme
from mixture_builder.jobs.draft.guess import Guess, guess_fields, rows_of
from mixture_builder.jobs.draft.look import Looked, look_at_file, look_at_hub, look_at_url
from mixture_builder.jobs.draft.write import Parts, card_text, guessed, shortened, to_fill_in

SAMPLE_RECORDS = 2

_DATASET = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ID = re.compile(r"[a-z0-9_]+/[A-Za-z0-9_.+-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A first card and what to do with it.

    Attributes:
      id: of the card.
      text: YAML.
      records: how many records were looked at.
      rows: how many of them give a row.
      fill_in: keys whose values only the author knows.
      guesses: keys whose values are guesses.
      copy_to: where the card expects the file, below its own folder; empty if it stands there.
    """

    id: str
    text: str
    records: int
    rows: int
    fill_in: Sequence[str]
    guesses: Sequence[str]
    copy_to: str = ""


def draft_card(
    source: str,
    *,
    task: str,
    folder: Path,
    config: str = "",
    split: str = "train",
    revision: str = "",
) -> Draft:
    """A first card for a source.

    Args:
      source: a local file, a URL, or `<owner>/<name>` of a dataset on the Hub.
      task: id of the card; empty makes one of the folder and the source's name.
      folder: where the card will stand: it may name files below it only.
      config: of a dataset on the Hub; empty takes its default.
      split: of a dataset on the Hub.
      revision: of a dataset on the Hub; empty takes what it has today.

    Raises:
      UsageError: if there is no such file and the name is none of a dataset, or the id is none.
      SourceError: if the source cannot be read, or holds nothing that a card can describe.
    """
    path = Path(source).expanduser()
    if has_scheme(source):
        looked = look_at_url(source)
        name, stem = source, re.split(r"[/:]", source.rstrip("/"))[-1]
    elif path.is_file():
        looked = look_at_file(path)
        name, stem = _below(path, folder), path.name
    elif path.exists() or not _DATASET.fullmatch(source):
        what = "a folder" if path.is_dir() else "no such file"
        raise UsageError(
            f"{source}: found {what}; expected a file, a URL, or <owner>/<name> of a dataset on "
            "the Hub. Check the path."
        )
    else:
        looked = look_at_hub(source, config=config, split=split, revision=revision)
        name, stem = "", source.split("/")[1] + (f"_{config}" if config else "")
    card_id = task or _id(folder, stem)
    if not _ID.fullmatch(card_id):
        raise UsageError(
            f"--id {card_id}: found no id of a card; expected <submixture>/<name>, the first in "
            "lower case, such as museum/guide."
        )
    guess = guess_fields(looked.records, labels=looked.labels)
    parts = Parts(
        id=card_id,
        source=replace(looked.source, files=(name,)) if name else looked.source,
        looked=looked,
        guess=guess,
        sample=_sample(looked, guess),
    )
    is_elsewhere = bool(name) and not has_scheme(name) and not (folder / name).exists()
    return Draft(
        id=card_id,
        text=card_text(parts),
        records=len(looked.records),
        rows=guess.rows,
        fill_in=to_fill_in(parts),
        guesses=guessed(parts),
        copy_to=name if is_elsewhere else "",
    )


def _below(path: Path, folder: Path) -> str:
    """How a card in `folder` names a file; one that stands elsewhere has to be copied there."""
    file, root = path.resolve(), folder.resolve()
    return file.relative_to(root).as_posix() if root in file.parents else f"data/{file.name}"


def _id(folder: Path, stem: str) -> str:
    submixture = re.sub(r"[^a-z0-9_]+", "_", folder.resolve().name.lower()).strip("_") or "own"
    name = re.sub(r"\.(gz|bz2|xz|zst)$", "", stem).rpartition(".")
    bare = re.sub(r"[^A-Za-z0-9_+-]+", "_", name[0] or name[2]).strip("_") or "task"
    return f"{submixture}/{bare}"


def _sample(looked: Looked, guess: Guess) -> list[Mapping[str, Any]]:
    """Records that give rows, shortened where they still do then."""
    good = rows_of(looked.records, guess)[:SAMPLE_RECORDS] or looked.records[:SAMPLE_RECORDS]
    short = [shortened(record) for record in good]
    return [s if rows_of([s], guess) else r for s, r in zip(short, good, strict=True)]
