"""The YAML text of a first card: what was seen, what was guessed, and what is to be filled in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from mixture_builder.cards import FIXED_TYPES, PLACEHOLDER, Field
from mixture_builder.jobs.draft.guess import Guess
from mixture_builder.jobs.draft.look import Looked
from mixture_builder.sources import Source

WIDTH = 110

SAMPLE_CHARACTERS = 200
"""Longest text in a sample record; longer ones are cut."""

SOURCE_KEYS = (
    "kind dataset config files format records explode columns header quoting delimiter encoding"
).split()


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a card is written from.

    Attributes:
      id: of the card, also the name of its template file.
      source: with the files as the card names them.
      sample: records to show.
    """

    id: str
    source: Source
    looked: Looked
    guess: Guess
    sample: Sequence[Mapping[str, Any]]


def card_text(parts: Parts) -> str:
    """The whole card."""
    return "\n".join(_lines(parts)) + "\n"


def to_fill_in(parts: Parts) -> list[str]:
    """Keys whose values only the author knows."""
    keys = ["title", "description", "category"]
    if not parts.guess.languages:
        keys.append("languages")
    if not parts.source.revision:
        keys.append("source.revision")
    keys += [f"fields.{f.name}" for f in parts.guess.fields if PLACEHOLDER in f.expression]
    return [*keys, "licence"]


def guessed(parts: Parts) -> list[str]:
    """Keys whose values are guesses."""
    keys = ["kind"]
    keys += [f"source.{key}" for key, ground in parts.looked.guesses.items() if ground]
    keys += [f"fields.{name}" for name in parts.guess.grounds]
    return keys + (["keep"] if parts.guess.keep else [])


def _lines(parts: Parts) -> Iterator[str]:
    looked, guess, source = parts.looked, parts.guess, parts.source
    yield (
        f"# A first card, from a look at {len(looked.records):,} records. `{PLACEHOLDER}` is yours "
        "to write; what is marked"
    )
    yield "# as a guess was read off the data and may be wrong."
    yield f"id: {_scalar(parts.id)}"
    yield f'title: "{PLACEHOLDER}: a short title"'
    yield f'description: "{PLACEHOLDER}: what a row is, and what the task asks"'
    yield f'category: "{PLACEHOLDER}: the kind of task in plain words, in lower case"'
    yield f"kind: {guess.kind}  # guess"
    if guess.languages:
        codes = ", ".join(map(_scalar, guess.languages))
        yield f"languages: [{codes}]  # guess: keys of the records"
    else:
        yield f"languages: [und]  # {PLACEHOLDER}: codes such as en or pt-BR; und is undetermined"
    if guess.cot:
        yield "cot: true  # guess: there is a rationale"
    yield "source:"
    yield from (f"  {line}" for line in _source_lines(source, looked))
    yield "availability: {state: unknown}  # public, manual, legal or gone"
    yield "fields:"
    yield from (f"  {line}" for line in _field_lines(guess))
    yield from _unused_lines(parts)
    if guess.keep:
        yield f"keep: {_scalar(guess.keep)}  # guess: other records have no answer"
    yield f"templates: {_scalar(parts.id)}"
    yield "licence: {id: unknown}  # its SPDX id, and `read_at`: where you read it"
    if looked.rows is None:
        yield "size: {rows: null}  # not counted"
    else:
        yield f"size: {{rows: {looked.rows}, from: {_scalar(looked.rows_from)}}}"
    yield (
        "# Records of the source, shortened. Write records of your own in their shape before you "
        "pass the card on."
    )
    yield "sample:"
    for record in parts.sample:
        yield textwrap.indent(_block([dict(record)]), "  ")


def _source_lines(source: Source, looked: Looked) -> Iterator[str]:
    default = Source()
    for key in SOURCE_KEYS:
        value = getattr(source, key)
        is_file = source.kind == "files"
        if value == getattr(default, key) and not (key == "format" and is_file):
            continue
        if key == "format" and not is_file:
            continue
        yield f"{key}: {_flow(value)}{_ground(looked.guesses.get(key))}"
    yield f"split: {_flow(source.split)}"
    if source.revision:
        yield f"revision: {_quoted(source.revision)}{_ground(looked.guesses.get('revision'))}"
    else:
        yield f'revision: "{PLACEHOLDER}: the commit or version that these records come from"'


def _field_lines(guess: Guess) -> Iterator[str]:
    for field in guess.fields:
        yield f"{field.name}: {_field(field)}{_ground(guess.grounds[field.name])}"


def _field(field: Field) -> str:
    if not field.optional and field.type == FIXED_TYPES.get(field.name, "string"):
        return _quoted(field.expression)
    more = "".join(
        [
            f", type: {field.type}" if field.type != FIXED_TYPES.get(field.name, "string") else "",
            ", optional: true" if field.optional else "",
        ]
    )
    return f"{{value: {_quoted(field.expression)}{more}}}"


def _unused_lines(parts: Parts) -> Iterator[str]:
    names = dict.fromkeys(name for record in parts.looked.records for name in record)
    unused = [name for name in names if name not in parts.guess.used]
    if unused:
        yield "# Columns that no field reads:"
    for name in unused:
        values = (record[name] for record in parts.looked.records if record.get(name) is not None)
        example = _one_line(next(values, None))
        yield f"#   {_one_line(name)}: {example}"
    if parts.looked.dropped:
        dropped = ", ".join(map(_one_line, parts.looked.dropped))
        yield f"# Columns that hold no plain data, which fields cannot read: {dropped}"


def _ground(ground: str | None) -> str:
    return f"  # guess: {ground}" if ground else ""


def _one_line(value: Any) -> str:
    text = _flow(value).replace("\n", " ")
    return text if len(text) <= 80 else text[:77] + "..."


def shortened(value: Any) -> Any:
    """A record's value with long texts cut.

    >>> shortened({"a": ["x" * 300]})["a"][0][-5:]
    'xx...'
    """
    if isinstance(value, str):
        return value if len(value) <= SAMPLE_CHARACTERS else value[: SAMPLE_CHARACTERS - 3] + "..."
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, Mapping):
        return {key: shortened(inner) for key, inner in value.items()}
    return value


class _Dumper(yaml.SafeDumper):
    """The safe dumper, without anchors: a value that stands twice is written twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Other styles fold line ends, and take some characters for line ends that are none here.
    style = '"' if _LINE_ENDS & set(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_LINE_ENDS = frozenset("\n\r\t\x85\u2028\u2029")
_Dumper.add_representer(str, _text)


def _flow(value: Any) -> str:
    """A value on one line."""
    text: str = yaml.dump(
        list(value) if isinstance(value, tuple) else value,
        Dumper=_Dumper,
        default_flow_style=True,
        allow_unicode=True,
        width=2**31,
        sort_keys=False,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _scalar(text: str) -> str:
    return _flow(text)


def _quoted(text: str) -> str:
    dumped: str = yaml.dump(
        text, Dumper=_Dumper, default_style='"', allow_unicode=True, width=2**31
    )
    return dumped.removesuffix("\n")


def _block(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, width=WIDTH, sort_keys=False)
    return text.removesuffix("\n")
