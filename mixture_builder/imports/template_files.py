"""A set of imported templates: its file, and the fields that a card for it needs.

Imported templates read the dataset's own columns. Each column becomes a field of type
`json`, which keeps whatever value it has; its name is the column's, in lower case, unless
that name means something else here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from mixture_builder.cards import DERIVED_FIELDS, FIXED_TYPES, CardSource, Field
from mixture_builder.imports.conversion import columns_used, convert
from mixture_builder.imports.promptsource_files import (
    NotImportedError,
    UpstreamSet,
    UpstreamTemplate,
)
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_sandbox import FUNCTION_NAMES
from mixture_builder.sources import Source
from mixture_builder.templates import PromptTemplate, templates_to_json

FOLDER = "promptsource"
"""Of template files and cards, below the user's own folders."""

AUTHORS = "contributors of promptsource (BigScience)"

_RESERVED = frozenset(
    [*FIXED_TYPES, *DERIVED_FIELDS, *FUNCTION_NAMES, "record", "loop", "if", "else", "for", "in"]
) | {"is", "and", "or", "not", "true", "false", "none", "self", "super", "caller"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedSet:
    """What became of one file.

    Attributes:
      upstream: what it was made of.
      name: of the template file, as cards refer to it.
      templates: those that could be imported.
      sources: for each of them the template it was made of.
      left_out: names of the others, with the reasons.
      fields: names of the fields the templates read, with the column each stands for.
    """

    upstream: UpstreamSet
    name: str
    templates: tuple[PromptTemplate, ...]
    sources: tuple[UpstreamTemplate, ...]
    left_out: tuple[tuple[str, str], ...]
    fields: Mapping[str, str]

    def card_source(self) -> CardSource:
        """The fields as a card would have them, to make rows of records."""
        return CardSource(source=Source(), fields=card_fields(self.fields))


def card_fields(fields: Mapping[str, str]) -> tuple[Field, ...]:
    """Fields of a card, one for each column."""
    return tuple(
        Field(name=name, expression=_expression(column), type="json", optional=True)
        for name, column in fields.items()
    )


def _expression(column: str) -> str:
    return f"record[{column!r}]" if column in {"record", *FUNCTION_NAMES} else column


def import_set(upstream: UpstreamSet) -> ImportedSet:
    """Converts all templates of a file that can be."""
    names = _FieldNames()
    templates: list[PromptTemplate] = []
    sources: list[UpstreamTemplate] = []
    left_out: list[tuple[str, str]] = []
    taken: set[str] = set()
    # Where all ask for something else than the dataset does, that is what they ask for.
    others_only = all(t.metadata.get("original_task") is False for t in upstream.templates)
    for theirs in upstream.templates:
        try:
            for column in sorted(columns_used(theirs)):
                names.field(column)
            converted = convert(theirs, field=names.field)
        except NotImportedError as reason:
            left_out.append((theirs.name, str(reason)))
            continue
        direct = others_only or theirs.metadata.get("original_task") is not False
        template = PromptTemplate(
            id=_template_id(theirs, taken),
            input=converted.input,
            target=converted.target,
            direction="direct" if direct else "inverted",
        )
        templates.append(template)
        sources.append(theirs)
    read = {name for t in templates for name in t.names}
    return ImportedSet(
        upstream=upstream,
        name=f"{FOLDER}/{_file_name(upstream)}",
        templates=tuple(templates),
        sources=tuple(sources),
        left_out=tuple(left_out),
        fields={f: c for c, f in sorted(names.known.items()) if f in read},
    )


class _FieldNames:
    """Names of fields for columns, each its own."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def field(self, column: str) -> str:
        """The field a column becomes; the same for the same column."""
        if column not in self.known:
            name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()
            name = re.sub(r"[^a-z0-9_]", "_", name)
            if name in _RESERVED or not name[:1].isalpha():
                name = f"column_{name.lstrip('_')}"
            while name in self.known.values():
                name += "_2"
            self.known[column] = name
        return self.known[column]


def _template_id(theirs: UpstreamTemplate, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", theirs.name.lower()).strip("_")
    name = name or f"template_{re.sub(r'[^a-z0-9]', '', theirs.key.lower())[:8]}"
    chosen, number = name, 1
    while chosen in taken:
        number += 1
        chosen = f"{name}_{number}"
    taken.add(chosen)
    return chosen


def _file_name(upstream: UpstreamSet) -> str:
    # What a file says of itself must not lead out of the folder.
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", upstream.name.replace("/", "_"))
    return name.lstrip(".+-") or "templates"


# --- Files ---------------------------------------------------------------------------------


def template_file(imported: ImportedSet, *, licence: str) -> str:
    """The text of the template file.

    Args:
      imported: with at least one template.
      licence: of the collection.
    """
    plain: dict[str, Any] = {
        "about": f"Templates of promptsource for {imported.upstream.name}.",
        "authors": [AUTHORS],
        "licence": licence,
        "origin": "imported",
        "templates": [
            {**entry, "note": _note(theirs)}
            for entry, theirs in zip(
                templates_to_json(imported.templates), imported.sources, strict=True
            )
        ],
    }
    return _dumped(plain)


def _note(theirs: UpstreamTemplate) -> str:
    facts = [f"promptsource: {theirs.name} ({theirs.key})"]
    if theirs.reference.strip():
        facts.append(f"reference: {' '.join(theirs.reference.split())}")
    for key in ("choices_in_prompt", "languages", "metrics"):
        value = theirs.metadata.get(key)
        if value or value is False:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower()
            facts.append(f"{key}: {shown}")
    return "; ".join(facts)


def card_stub(imported: ImportedSet) -> str:
    """The beginning of a card for the templates: what only a person can know is left out."""
    upstream = imported.upstream
    languages = sorted(
        {
            code
            for theirs in imported.sources
            for code in theirs.metadata.get("languages") or []
            if isinstance(code, str)
        }
    )
    source: dict[str, Any] = {"kind": "hub", "dataset": upstream.dataset}
    if upstream.subset:
        source["config"] = upstream.subset
    plain = {
        "id": imported.name,
        "title": f"{upstream.name} as promptsource says it",
        "description": f"A row is a record of {upstream.name} with the columns as they stand.",
        "category": "not said",
        "kind": "generation",
        "languages": languages or ["en"],
        "source": source | {"split": "train"},
        "fields": {
            f.name: {"value": f.expression, "type": f.type, "optional": f.optional}
            for f in card_fields(imported.fields)
        },
        "templates": imported.name,
        "licence": {"id": "unknown"},
        "size": {"rows": None},
    }
    head = (
        "# Made by `mixture-builder templates import`. Add `revision` to the source and a\n"
        "# `sample` of a few records in the shape of the dataset; then say kind, category\n"
        "# and licence.\n"
    )
    return head + _dumped(plain)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines are written as they read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (its signature)
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _dumped(plain: Mapping[str, Any]) -> str:
    text: str = yaml.dump(
        dict(plain), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100
    )
    return text


def not_compiled(imported: ImportedSet) -> dict[str, str]:
    """Ids of templates that are rendered by Jinja itself, with the reasons."""
    reasons = {
        t.id: next((r for r in (compile_text(s).fallback for s in (t.input, t.target)) if r), "")
        for t in imported.templates
    }
    return {name: reason for name, reason in reasons.items() if reason}
