"""Task cards: which upstream records make a task, and what its rows are called.

A card is data. One YAML file holds one card, or `defaults` and a list of `tasks` laid over
them, or a family: one card with `${column}` in its texts and a table of members. Loading
reports every mistake of every file at once; nothing here opens a source.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from jinja2 import TemplateSyntaxError

from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.fingerprint import fingerprint
from mixture_builder.jinja_compiler import CompiledExpression, compile_expression
from mixture_builder.sources import Beside, Source
from mixture_builder.yaml_files import (
    check_against_schema,
    find_lines,
    format_place,
    line_of,
    load_yaml,
)

FieldType = Literal["string", "list", "int"]

FIXED_TYPES: dict[str, FieldType] = {
    "options": "list",
    "answers": "list",
    "turns": "list",
    "answer_index": "int",
}
"""Fields whose meaning, and so whose type, is the same in all cards."""

ALWAYS_THERE = frozenset(["options", "answers", "answer_index"])
"""Fields that cannot be empty: the target is drawn from them."""

DERIVED_FIELDS = ("options_text", "dialog_text", "answer_text")
"""Names that templates see and cards may not declare: they are made when an example is drawn."""

QUESTION_KINDS = frozenset(
    ["classification", "multiple_choice", "extractive_qa", "open_qa", "reasoning"]
)
"""Kinds that ask something and answer it, so that labels like "Q:" and "A:" fit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One canonical field of a task's rows.

    Attributes:
      name: as templates use it.
      expression: Jinja expression over the upstream record.
      type: what is stored; texts are stored as they are, other values as their text.
      optional: whether it may be missing or empty; it is then stored as empty.
    """

    name: str
    expression: str
    type: FieldType = "string"
    optional: bool = False

    def compiled(self) -> CompiledExpression:
        """The expression, ready to be evaluated."""
        return compile_expression(self.expression)


@dataclass(frozen=True, kw_only=True, slots=True)
class CardSource:
    """One way to get a task's rows: a source, and how its records become rows."""

    source: Source
    fields: tuple[Field, ...]
    keep: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCard:
    """All that is known of one task. The keys are those of the YAML file.

    Attributes:
      file: the file it was read from, as messages name it.
      folder: absolute folder of that file; relative sources start there.
      sources: alternatives; the first that can be read is used.
    """

    id: str
    title: str
    description: str
    category: str
    kind: str
    languages: tuple[str, ...]
    sources: tuple[CardSource, ...]
    templates: str
    licence: Mapping[str, str]
    size: Mapping[str, Any]
    sample: tuple[Mapping[str, Any], ...]
    cot: bool = False
    flan_name: str = ""
    availability: Mapping[str, str] | None = None
    fixed_option_order: bool = False
    keep_duplicates: bool = False
    citation: str | None = None
    held_out: tuple[str, ...] = ()
    notes: str = ""
    file: str = ""
    folder: str = ""

    @property
    def submixture(self) -> str:
        """The part of the id before the slash."""
        return self.id.split("/")[0]

    @property
    def fields(self) -> tuple[Field, ...]:
        """The canonical fields; all alternatives give the same."""
        return self.sources[0].fields

    @property
    def has_options(self) -> bool:
        """Whether rows carry a closed list of answers."""
        return any(f.name == "options" for f in self.fields)

    @property
    def known_rows(self) -> int | None:
        """Rows as the card states them; `None` when it does not know."""
        rows = self.size.get("rows")
        return int(rows) if rows is not None else None

    def template_names(self) -> frozenset[str]:
        """Every name that a template for this task may use."""
        names = {f.name for f in self.fields} - {"answers", "answer_index"}
        if "options" in names:
            names |= {"options_text", "answer", "answer_text"}
        if any(f.name == "answers" for f in self.fields):
            names.add("answer")
        if "turns" in names:
            names.add("dialog_text")
        return frozenset(names)

    def rows_fingerprint(self) -> str:
        """Hash of all that decides the task's rows; texts about the task do not count."""
        return fingerprint(
            [
                {
                    "source": _plain(alternative.source),
                    "fields": [_plain(f) for f in alternative.fields],
                    "keep": alternative.keep,
                }
                for alternative in self.sources
            ]
            + [self.keep_duplicates]
        )

    def to_json(self) -> dict[str, Any]:
        """The whole card as plain data, for `cards show --json`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "folder"}
        plain["sources"] = [
            {
                **_plain(s.source),
                "fields": [_plain(f) for f in s.fields],
                **({"keep": s.keep} if s.keep else {}),
            }
            for s in self.sources
        ]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def _plain(value: Any) -> Any:
    """Plain data of a dataclass, without what stands at its default."""
    result = {}
    for f in fields(value):
        content = getattr(value, f.name)
        if content == f.default:
            continue
        if isinstance(content, tuple):
            content = [_plain(c) if isinstance(c, Beside) else c for c in content]
        result[f.name] = content
    return result


def load_cards(
    folder: Path, *, wanted: Callable[[str], bool] | None = None
) -> tuple[dict[str, TaskCard], list[Finding]]:
    """All cards under a folder, by id, and everything that is wrong with the files.

    Args:
      folder: searched for `*.yaml` files, at any depth; folders named `data` are skipped.
      wanted: only files for which this holds of their path below `folder` are read.

    Returns:
      The cards that are sound, sorted by id, and findings for those that are not.
    """
    cards: dict[str, TaskCard] = {}
    findings: list[Finding] = []
    for path in sorted(folder.rglob("*.yaml")):
        relative = path.relative_to(folder)
        if "data" in relative.parts[:-1] or (wanted and not wanted(relative.as_posix())):
            continue
        found, problems = load_card_file(path, shown_as=f"{folder.name}/{relative.as_posix()}")
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


def load_card_file(path: Path, *, shown_as: str) -> tuple[list[TaskCard], list[Finding]]:
    """The cards of one file and what is wrong with it; see `load_cards`."""
    data, findings = load_yaml(path, shown_as=shown_as)
    if findings:
        return [], findings
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
        return _load_family(data, path, shown_as)
    cards: list[TaskCard] = []
    for at, raw in _single_cards(data, shown_as, findings):
        problems = check_against_schema(
            raw, schema_name="task_card", path=path, shown_as=shown_as, at=at
        )
        if not problems:
            card = _build(raw, shown_as, path.parent)
            problems = check_card(card, path=path, at=at)
        findings.extend(problems)
        if not problems:
            cards.append(card)
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
    data: dict[str, Any], path: Path, shown_as: str
) -> tuple[list[TaskCard], list[Finding]]:
    findings = check_against_schema(data, schema_name="card_family", path=path, shown_as=shown_as)
    if findings:
        return [], findings
    table = path.parent / str(data["members"])
    try:
        if table.resolve().parent != path.parent.resolve():
            raise OSError("it is not beside the family card")
        with table.open(encoding="utf-8", newline="") as file:
            members = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        return [], [
            error(
                shown_as,
                "members",
                f"the table '{data['members']}' cannot be read ({problem}).",
                "Put a CSV file with a header beside the family card.",
            )
        ]
    if not members:
        return [], [
            error(
                shown_as,
                "members",
                f"the table '{table.name}' has no line under its header.",
                "Add the members.",
            )
        ]
    cards: list[TaskCard] = []
    first = True
    for number, member in enumerate(members, start=2):
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
            raw = _fill(data["card"], member)
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
            card = _build(raw, shown_as, path.parent)
            problems = check_card(card, path=path, at=("card",), expressions=first)
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
    return cards, findings


_PLACEHOLDER = re.compile(r"\$\{([a-z_]+)\}")
_WHOLE_NUMBER = re.compile(r"\d+")


def _fill(value: Any, member: Mapping[str, str]) -> Any:
    """`value` with `${column}` replaced; a text that is one placeholder takes the cell's type.

    A cell that stands alone for a list is split at spaces, a whole number becomes one, an
    empty cell becomes nothing.
    """
    if isinstance(value, str):
        alone = _PLACEHOLDER.fullmatch(value)
        if alone:
            cell = member[alone[1]]
            if _WHOLE_NUMBER.fullmatch(cell):
                return int(cell)
            return cell or None
        return _PLACEHOLDER.sub(lambda found: member[found[1]], value)
    if isinstance(value, dict):
        return {key: _fill(inner, member) for key, inner in value.items()}
    if isinstance(value, list):
        result: list[Any] = []
        for inner in value:
            filled = _fill(inner, member)
            if isinstance(inner, str) and _PLACEHOLDER.fullmatch(inner) and isinstance(filled, str):
                result.extend(filled.split())
            elif filled is not None:
                result.append(filled)
        return result
    return value


def _build(raw: Mapping[str, Any], shown_as: str, folder: Path) -> TaskCard:
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
                fields=_fields({**raw["fields"], **alternative.get("fields", {})}),
                keep=alternative.get("keep", raw.get("keep", "")),
            )
            for alternative in alternatives
        ),
        file=shown_as,
        folder=str(folder.resolve()),
    )


def _source(raw: Mapping[str, Any]) -> Source:
    known = {k: v for k, v in raw.items() if k not in {"fields", "keep"}}
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


def check_card(
    card: TaskCard, *, path: Path, at: tuple[str | int, ...] = (), expressions: bool = True
) -> list[Finding]:
    """What is wrong with a card beyond what a JSON Schema can say.

    Args:
      card: as built from its file.
      path: the file, read again only to find the lines of mistakes.
      at: where in the file the card stands.
      expressions: whether expressions are parsed too.
    """
    problems: list[_Problem] = []
    for alternative in card.sources:
        problems.extend(_field_problems(alternative.fields))
        problems.extend(_source_problems(alternative.source))
        if expressions:
            for f in alternative.fields:
                problems.extend(_syntax(("fields", f.name), f.expression))
            if alternative.keep:
                problems.extend(_syntax(("keep",), alternative.keep))
    if len({frozenset(f.name for f in s.fields) for s in card.sources}) > 1:
        problems.append(
            (("source",), "the alternatives give different fields.", "Give each the same names.")
        )
    lines = find_lines(path) if problems else {}
    return [
        error(
            card.file,
            format_place((*at, *where)),
            message,
            remedy,
            line_of(lines, (*at, *where)),
        )
        for where, message, remedy in problems
    ]


_Problem = tuple[tuple[str | int, ...], str, str]
"""Place, message and remedy."""


def _field_problems(fields_: tuple[Field, ...]) -> Iterator[_Problem]:
    names = [f.name for f in fields_]
    if ("options" in names) != ("answer_index" in names):
        message = "found only one of options and answer_index; expected both or none."
        yield ("fields",), message, ""
    if "answer" in names and ("options" in names or "answers" in names):
        other = "options" if "options" in names else "answers"
        remedy = f"Remove it: it follows from {other}."
        yield ("fields", "answer"), f"found answer beside {other}.", remedy
    if "options" in names and "answers" in names:
        yield ("fields", "answers"), "found answers beside options.", "Keep one."
    for f in fields_:
        where = ("fields", f.name)
        if f.optional and f.name in ALWAYS_THERE:
            message = f"found {f.name} as optional; expected it in every row."
            yield where, message, "Leave optional out; `keep` filters the rows without it."
        if f.name in DERIVED_FIELDS:
            yield where, f"found the reserved name '{f.name}'.", "Choose another name."
        if f.name in FIXED_TYPES and f.type != FIXED_TYPES[f.name]:
            yield where, f"found the type {f.type}; expected {FIXED_TYPES[f.name]}.", ""


def _source_problems(source: Source) -> Iterator[_Problem]:
    if source.kind == "files" and not source.files:
        yield ("source",), "found a source of files without 'files'.", "List them."
    if source.kind == "hub" and not source.dataset:
        yield ("source",), "found a Hub source without 'dataset'.", "Name it."
    for side in source.beside:
        if len(side.files) != len(source.files):
            message = f"found {len(side.files)} files beside {len(source.files)}."
            yield ("source", "beside"), message, "List as many as the source has."
    if source.from_path:
        try:
            re.compile(source.from_path)
        except re.error as bad:
            yield ("source", "from_path"), f"no regular expression: {bad}.", ""


def _syntax(where: tuple[str | int, ...], expression: str) -> Iterator[_Problem]:
    try:
        compile_expression(expression)
    except TemplateSyntaxError as problem:
        yield (
            where,
            f"found {expression!r}, which is no expression: {problem.message}.",
            "Write one Jinja expression over the upstream record, without {{ }}.",
        )
