"""Task files of Natural Instructions, version 2: one JSON document a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from mixture_builder.io.readers.json_documents import describe, parse_document
from mixture_builder.io.readers.jsonl import bad_text
from mixture_builder.io.readers.lines import check_encoding, read_up_to
from mixture_builder.io.readers.records import (
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
    half_surrogate,
)
from mixture_builder.sources import Source

MAX_TASK_BYTES = 512 * 1024 * 1024
"""Largest task file that is read; upstream's largest have a few dozen megabytes."""

_TASK_KEYS = {
    "Definition": "definitions",
    "Positive Examples": "positive_examples",
    "Negative Examples": "negative_examples",
    "Categories": "categories",
    "Source": "source",
    "Input_language": "input_language",
    "Output_language": "output_language",
    "Instance License": "instance_license",
}


def read_natural_instructions(
    stream: BinaryIO, *, name: str, source: Source
) -> Iterator[SourceRecord | BadRecord]:
    """The instances of a task file of Natural Instructions, version 2.

    A record has `id`, `input`, `output` (a list of strings), and the same for every
    instance: `definition` (the first), `definitions`, `positive_examples`,
    `negative_examples`, `categories`, `source`, `input_language`, `output_language`,
    `instance_license` (lists, as the file has them; a missing one is empty).

    Raises:
      ReadingError: if the file is no such task.
    """
    check_encoding(source.encoding)
    raw = read_up_to(stream, MAX_TASK_BYTES + 1)
    if len(raw) > MAX_TASK_BYTES:
        raise ReadingError(
            found=f"more than {MAX_TASK_BYTES:,} bytes",
            expected="a task file of at most that",
            way_out="Cut it in parts.",
        )
    task, check_halves = parse_document(raw, encoding=source.encoding)
    if not isinstance(task, dict) or not isinstance(task.get("Instances"), list):
        raise ReadingError(
            place="top of the document",
            found=describe(task),
            expected="a mapping with 'Definition' and a list 'Instances'",
            way_out="Correct `format` in the card.",
        )
    common: dict[str, Any] = {ours: _as_list(task.get(key)) for key, ours in _TASK_KEYS.items()}
    common["definition"] = common["definitions"][0] if common["definitions"] else ""
    for number, instance in enumerate(task["Instances"]):
        place = f"{name}#Instances[{number}]"
        if not isinstance(instance, dict) or not {"input", "output"} <= instance.keys():
            yield BadRecord(
                place=place,
                reason="wrong_shape",
                detail=f"found {describe(instance)}; expected 'input' and 'output'.",
                excerpt=excerpt_of(instance),
            )
        elif check_halves and (half := half_surrogate(instance)):
            yield bad_text(half, place=place)
        else:
            own = {
                "id": instance.get("id", ""),
                "input": instance["input"],
                "output": _as_list(instance["output"]),
            }
            yield SourceRecord(place=place, record={**common, **own})


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
