"""Joining a file's records with those of a file beside it: by number, or by a key."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from mixture_builder.io.readers.records import (
    BadRecord,
    ReadingError,
    SourceRecord,
    excerpt_of,
    listed,
)
from mixture_builder.sources import Beside, Source

Items = Iterator[SourceRecord | BadRecord]


def source_of(beside: Beside) -> Source:
    """The source that reads the files beside like any other."""
    return Source(
        files=beside.files,
        format=beside.format,
        columns=beside.columns,
        encoding=beside.encoding,
        header=beside.header,
        quoting=beside.quoting,
        records=beside.records,
    )


def joined_by_number(items: Items, side: Items, *, side_name: str) -> Items:
    """The n-th record with the keys of the n-th record beside; its own keys win.

    Bad records keep their number on both sides.

    Raises:
      ReadingError: with both counts, if one side has more records than the other, and if
        both call their text `text`.
    """
    count = side_count = 0
    for item, partner in zip_longest(items, side):
        if item is not None:
            count += 1
        if partner is not None:
            side_count += 1
        if item is None or partner is None:
            count += sum(1 for _ in items)
            side_count += sum(1 for _ in side)
            raise ReadingError(
                place="end of file",
                found=f"{count:,} records, and {side_count:,} in {side_name} beside it",
                expected="as many in both",
                way_out="Correct `beside` in the card, or fetch both files again.",
            )
        yield _joined(item, partner)


def joined_by_key(items: Items, side: Items, *, by: str, side_name: str) -> Items:
    """Each record with the keys of the record beside that has an equal value of `by`.

    Values are compared as text, so that `1` in JSON meets `1` in a table.
    """
    partners: dict[str, SourceRecord | BadRecord | None] = {}
    for partner in side:
        if isinstance(partner, BadRecord) or by not in partner.record:
            continue
        value = str(partner.record[by])
        known = partners.get(value, partner)
        same = isinstance(known, SourceRecord) and known.record == partner.record
        partners[value] = partner if same else None
    for item in items:
        if isinstance(item, BadRecord):
            yield item
            continue
        if by not in item.record:
            yield _alone(item, f"no '{by}' among {listed(item.record)}")
            continue
        value = str(item.record[by])
        if value not in partners:
            yield _alone(item, f"no record in {side_name} with this '{by}'")
        elif (found := partners[value]) is None:
            yield _alone(item, f"several different records in {side_name} with this '{by}'")
        else:
            yield _joined(item, found)


def _joined(
    item: SourceRecord | BadRecord, partner: SourceRecord | BadRecord
) -> SourceRecord | BadRecord:
    if isinstance(item, BadRecord):
        return item
    if isinstance(partner, BadRecord):
        return BadRecord(
            place=item.place,
            reason="no_partner",
            detail=f"found {partner.reason} at {partner.place} beside it: {partner.detail}",
            excerpt=partner.excerpt,
        )
    if partner.record.keys() == {"text"} and "text" in item.record:
        raise ReadingError(
            place="the card's `beside`",
            found="a column 'text' on both sides",
            expected="different names",
            way_out="Give `beside` its own `columns`.",
        )
    record: dict[str, Any] = {**partner.record, **item.record}
    return SourceRecord(place=item.place, record=record)


def _alone(item: SourceRecord, found: str) -> BadRecord:
    return BadRecord(
        place=item.place,
        reason="no_partner",
        detail=f"found {found}; expected one.",
        excerpt=excerpt_of(item.record),
    )
