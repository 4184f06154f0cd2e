"""Reading task cards from YAML files: all of them, with everything that is wrong at once.

A file holds one card, or `defaults` and a list of `tasks` laid over them, or a family: one
card with `${column}` in its texts and a table of members.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mixture_builder.card_checks import check_card
from mixture_builder.cards import (
    FIXED_TYPES,
    HELD_OUT_KIND,
    CardSource,
    Field,
    TaskCard,
)
from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.known_files import content_of, recall, remember
from mixture_builder.sources import Beside, Source
from mixture_builder.yaml_files import (
    check_against_schema,
    load_yaml,
)


def load_cards(
    folder: Path, *, wanted: Callable[[str], bool] | None = None, expressions: bool = True
) -> tuple[dict[str, TaskCard], list[Finding]]:
    """All cards under a folder, by id, and everything that is wrong with the files.

    Args:
      folder: searched for `*.yaml` files, at any depth; folders named `data` are skipped, and
        so is `heldout`, whose cards no recipe can name.
      wanted: only files for which this holds of their path below `folder` are read.
      expressions: whether expressions are parsed too; who only lists cards can do without.

    Returns:
      The cards that are sound, sorted by id, and findings for those that are not.
    """
    cards: dict[str, TaskCard] = {}
    findings: list[Finding] = []
    for path in sorted(folder.rglob("*.yaml")):
        relative = path.relative_to(folder)
        outside = {"data", HELD_OUT_KIND}.intersection(relative.parts[:-1])
        if outside or (wanted and not wanted(relative.as_posix())):
            continue
        found, problems = load_card_file(
            path, shown_as=f"{folder.name}/{relative.as_posix()}", expressions=expressions
        )
        findings.extend(problems)
        for card in found:
            if card.id in cards:
                findings.append(
                    error(
                        card.file,
                        "id",
                        f"found the id '{card.id}', which {cards[card.id].file} has already.",
                        "Give each card an id of its own.",
                    )
                )
            else:
                cards[card.id] = card
    return dict(sorted(cards.items())), findings


def load_held_out_cards(folder: Path) -> tuple[dict[str, TaskCard], list[Finding]]:
    """The cards of held-out sets, which stand in the folder `heldout` of a folder of cards."""
    return load_cards(folder / HELD_OUT_KIND)


def load_card_file(
    path: Path, *, shown_as: str, expressions: bool = True
) -> tuple[list[TaskCard], list[Finding]]:
    """The cards of one file and what is wrong with it; see `load_cards`."""
    content = content_of(path) or b""
    known = recall("card file", content)
    findings: list[Finding] = []
    if known is not None:
        data = known
    else:
        data, findings = load_yaml(path, shown_as=shown_as, raw=content or None)
        if findings:
            return [], findings
        remember("card file", content, found=data)
    if not isinstance(data, dict):
        return [], [
            error(
                shown_as,
                "",
                "found no mapping; expected the keys of a task card.",
                "See the reference of task cards.",
            )
        ]
    if "family" in data:
        return _load_family(data, path, shown_as, content=content, expressions=expressions)
    cards: list[TaskCard] = []
    build = _Builder(shown_as=shown_as, folder=path.parent)
    sound = recall("sound cards", content) is not None
    for at, raw in _single_cards(data, shown_as, findings):
        if sound:
            cards.append(build.card(raw))
            continue
        problems = check_against_schema(
            raw, schema_name="task_card", path=path, shown_as=shown_as, at=at
        )
        if not problems:
            card = build.card(raw)
            problems = check_card(card, path=path, at=at, expressions=expressions)
        findings.extend(problems)
        if not problems:
            cards.append(card)
    if expressions and not sound and not findings:
        remember("sound cards", content, found=True)
    return cards, findings


def _single_cards(
    data: dict[str, Any], shown_as: str, findings: list[Finding]
) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    if "tasks" not in data:
        yield (), data
        return
    for key in data.keys() - {"defaults", "tasks"}:
        findings.append(
            error(
                shown_as,
                str(key),
                f"found the unknown key '{key}' beside 'tasks'; expected defaults and tasks.",
                "Move it under defaults.",
            )
        )
    defaults, tasks = data.get("defaults") or {}, data["tasks"]
    if not isinstance(defaults, dict) or not isinstance(tasks, list) or not tasks:
        findings.append(
            error(shown_as, "tasks", "expected a mapping 'defaults' and a list 'tasks'.", "")
        )
        return
    for index, task in enumerate(tasks):
        if not isinstance(task, dict):
            findings.append(error(shown_as, f"tasks[{index}]", "expected a mapping.", ""))
            continue
        merged = {**defaults, **task}
        for key in ("fields", "source"):
            ours, theirs = defaults.get(key), task.get(key)
            if isinstance(ours, dict) and isinstance(theirs, dict):
                merged[key] = {**ours, **theirs}
        yield ("tasks", index), merged


def _load_family(
    data: dict[str, Any], path: Path, shown_as: str, *, content: bytes, expressions: bool
) -> tuple[list[TaskCard], list[Finding]]:
    table = path.parent / str(data.get("members"))
    table_content = content_of(table) or b""
    sound = recall("sound family", content, table_content) is not None
    findings: list[Finding] = []
    if not sound:
        findings = check_against_schema(
            data, schema_name="card_family", path=path, shown_as=shown_as
        )
    if findings:
        return [], findings
    members, problem = _members(table, table_content, beside=path)
    if problem:
        return [], [error(shown_as, "members", *problem)]
    cards: list[TaskCard] = []
    first = True
    filled = _filler(data["card"])
    build = _Builder(shown_as=shown_as, folder=path.parent)
    for number, member in enumerate(members, start=2):
        if sound:
            cards.append(build.card(filled(member)))
            continue
        place = f"{path.parent.name}/{table.name} line {number}"
        if None in member or None in member.values():
            findings.append(
                error(
                    shown_as,
                    place,
                    "found another number of cells than the header has names.",
                    "Quote cells that hold commas, and leave none out.",
                )
            )
            continue
        try:
            raw = filled(member)
        except KeyError as missing:
            known = ", ".join(members[0])
            return cards, [
                error(
                    shown_as,
                    "card",
                    f"found ${{{missing.args[0]}}}, which is no column of {table.name} ({known}).",
                    did_you_mean(str(missing.args[0]), members[0]),
                )
            ]
        # All members share the family's shape: the schema sees the first of them, the
        # values that differ are checked for each.
        problems = (
            check_against_schema(
                raw, schema_name="task_card", path=path, shown_as=shown_as, at=("card",)
            )
            if first
            else []
        )
        if not problems:
            card = build.card(raw)
            problems = check_card(card, path=path, at=("card",), expressions=expressions and first)
            if not re.fullmatch(r"[a-z0-9_]+/[A-Za-z0-9_.+-]+", card.id):
                problems.append(
                    error(shown_as, place, f"found the id '{card.id}'; expected family/name.", "")
                )
        findings.extend(problems)
        if problems and first:
            break
        first = False
        if not problems:
            cards.append(card)
    if expressions and not sound and not findings:
        remember("sound family", content, table_content, found=True)
    return cards, findings


def _members(
    table: Path, content: bytes, *, beside: Path
) -> tuple[list[dict[str, str]], tuple[str, str] | None]:
    """The lines of a family's table, or what is wrong with it and the way out."""
    try:
        # `Path.resolve` raises an error of its own for a loop of links.
        if os.path.dirname(os.path.realpath(table)) != os.path.realpath(beside.parent):
            raise OSError("it is not beside the family card")
        if not table.is_file():
            raise OSError("there is no such file")
        text = io.StringIO(content.decode("utf-8"), newline="")
        members = list(csv.DictReader(text))
    except (OSError, ValueError, csv.Error) as problem:
        return [], (
            f"the table '{table.relative_to(beside.parent)}' cannot be read ({problem}).",
            "Put a CSV file with a header beside the family card.",
        )
    if not members:
        return [], (
            f"the table '{table.name}' has no line under its header.",
            "Add the members.",
        )
    return members, None


_PLACEHOLDER = re.compile(r"\$\{([a-z_]+)\}")
_WHOLE_NUMBER = re.compile(r"\d+")


def _columns_of(value: Any) -> Iterator[str]:
    """The columns that its placeholders name, in the order in which they stand."""
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _columns_of(inner)


def _filler(value: Any) -> Callable[[Mapping[str, str]], Any]:
    """What gives `value` with `${column}` replaced, for one member after another.

    A text that is one placeholder takes the cell's type: a whole number becomes one, an empty
    cell becomes nothing, and a cell that stands alone in a list is split at spaces. Members
    with the same cells share what is made of them, and all share parts without a placeholder.
    """
    if not any(_columns_of(value)):
        return lambda _: value
    if isinstance(value, str):
        alone = _PLACEHOLDER.fullmatch(value)
        if alone:
            return lambda member: _typed(member[alone[1]])
        return lambda member: _PLACEHOLDER.sub(lambda found: member[found[1]], value)
    if isinstance(value, dict):
        fillers = {k: _shared_filler(v) for k, v in value.items() if any(_columns_of(v))}
        return lambda member: {**value, **{key: fill(member) for key, fill in fillers.items()}}
    items = [_list_filler(inner) for inner in value]
    return lambda member: [item for fill in items for item in fill(member)]


def _shared_filler(value: Any) -> Callable[[Mapping[str, str]], Any]:
    fill = _filler(value)
    columns = tuple(dict.fromkeys(_columns_of(value)))
    made: dict[tuple[str, ...], Any] = {}

    def filled(member: Mapping[str, str]) -> Any:
        cells = tuple([member[column] for column in columns])
        if cells not in made:
            made[cells] = fill(member)
        return made[cells]

    return filled


def _list_filler(inner: Any) -> Callable[[Mapping[str, str]], list[Any]]:
    fill = _filler(inner)
    alone = isinstance(inner, str) and _PLACEHOLDER.fullmatch(inner)

    def filled(member: Mapping[str, str]) -> list[Any]:
        item = fill(member)
        if alone and isinstance(item, str):
            return list(item.split())
        return [] if item is None else [item]

    return filled


def _typed(cell: str) -> str | int | None:
    return int(cell) if _WHOLE_NUMBER.fullmatch(cell) else cell or None


class _Builder:
    """Makes cards of the checked data of one file; what cards share is made once.

    Args:
      shown_as: how messages name the file.
      folder: of the file.
    """

    def __init__(self, *, shown_as: str, folder: Path) -> None:
        self._file = shown_as
        self._folder = str(folder.resolve())
        # By the identity of the mappings they were made of, which are kept so that it stays theirs.
        self._fields: dict[tuple[int, int], tuple[Any, Any, tuple[Field, ...]]] = {}

    def card(self, raw: Mapping[str, Any]) -> TaskCard:
        """The card of data that the schema has passed."""
        alternatives = raw["source"] if isinstance(raw["source"], list) else [raw["source"]]
        plain = {k: v for k, v in raw.items() if k not in {"source", "fields", "keep"}}
        plain["languages"] = tuple(plain["languages"])
        plain["sample"] = tuple(plain["sample"])
        plain["held_out"] = tuple(plain.get("held_out", ()))
        return TaskCard(
            **plain,
            sources=tuple(
                CardSource(
                    source=_source(alternative),
                    fields=self._fields_of(raw["fields"], alternative.get("fields")),
                    keep=alternative.get("keep", raw.get("keep", "")),
                    checked=alternative.get("checked"),
                )
                for alternative in alternatives
            ),
            file=self._file,
            folder=self._folder,
        )

    def _fields_of(
        self, common: Mapping[str, Any], own: Mapping[str, Any] | None
    ) -> tuple[Field, ...]:
        key = (id(common), id(own))
        if key not in self._fields:
            self._fields[key] = (common, own, _fields({**common, **(own or {})}))
        return self._fields[key][2]


def _source(raw: Mapping[str, Any]) -> Source:
    known = {k: v for k, v in raw.items() if k not in {"fields", "keep", "checked"}}
    for key in ("files", "columns", "explode"):
        if key in known:
            known[key] = tuple(known[key])
    known["beside"] = tuple(_beside(side) for side in known.get("beside", ()))
    return Source(**known)


def _beside(raw: Mapping[str, Any]) -> Beside:
    known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return Beside(**known)


def _fields(raw: Mapping[str, Any]) -> tuple[Field, ...]:
    result = []
    for name, value in raw.items():
        spec: dict[str, Any] = {"value": value} if isinstance(value, str) else value
        result.append(
            Field(
                name=name,
                expression=spec["value"],
                type=spec.get("type", FIXED_TYPES.get(name, "string")),
                optional=spec.get("optional", False),
            )
        )
    return tuple(result)
