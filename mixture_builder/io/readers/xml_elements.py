"""XML: a record an element, streamed; entities and external files are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mixture_builder.io.readers.records import (
    MAX_RECORD_BYTES,
    BadRecord,
    ReadingError,
    SourceRecord,
    listed,
)
from mixture_builder.sources import Source

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class _Measured:
    """A stream that refuses to feed the parser more than one record may hold."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.since_record = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.since_record += len(data)
        if self.since_record > MAX_RECORD_BYTES:
            raise ReadingError(
                found=f"more than {MAX_RECORD_BYTES:,} bytes without the end of a record",
                expected="records of at most that",
                way_out="Correct `xml_record` in the card.",
            )
        return data


def read_xml(stream: BinaryIO, *, name: str, source: Source) -> Iterator[SourceRecord | BadRecord]:
    """A record for each element with the tag `xml_record`, or each child of the root.

    An element becomes a mapping: its attributes; under the tag of its child elements a list
    of these, each again such a mapping; and `text`, all character data inside it, unless a
    child has that tag. Namespaces are dropped. An attribute whose name is taken is found
    under `@name`.

    Raises:
      ReadingError: if the file is not XML, declares entities, or has no such element.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    measured = _Measured(stream)
    number = 0
    open_elements: list[Element] = []
    seen: dict[str, None] = {}
    try:
        for event, element in iterparse(measured, events=("start", "end")):
            if event == "start":
                open_elements.append(element)
                continue
            open_elements.pop()
            tag = _local(element.tag)
            seen[tag] = None
            if tag == source.xml_record if source.xml_record else len(open_elements) == 1:
                yield SourceRecord(place=f"{name}#{number}", record=_mapping(element))
                number += 1
                measured.since_record = 0
                if open_elements:
                    open_elements[-1].remove(element)
    except ParseError as problem:
        line, column = problem.position
        raise ReadingError(
            place=f"line {line}, column {column}",
            found=f"no well-formed XML ({str(problem).split(':')[0]})",
            expected="XML",
            way_out="Fetch the file again: it may be cut off.",
        ) from None
    except DefusedXmlException as problem:
        raise ReadingError(
            found=f"a declaration that can make a small file huge or read others ({problem!r})",
            expected="XML without entity declarations",
            way_out="Use another publication of the data.",
        ) from None
    if not number:
        raise ReadingError(
            place="whole file",
            found=f"the elements {listed(list(seen))}",
            expected=f"an element '{source.xml_record}'"
            if source.xml_record
            else "elements below the root",
            way_out="Correct `xml_record` in the card.",
        )


def _local(tag: Any) -> str:
    return str(tag).rpartition("}")[2]


def _mapping(element: Element) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for child in element:
        record.setdefault(_local(child.tag), []).append(_mapping(child))
    record.setdefault("text", "".join(element.itertext()))
    for key, value in element.attrib.items():
        own = _local(key)
        record[f"@{own}" if own in record else own] = value
    return record
