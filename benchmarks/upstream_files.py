"""Writes records as upstream would have published them: what the readers of a source read back.

For every format but XML. Members of archives are written unpacked, and a mirror says so.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixture_builder.io.readers.beside import source_of
from mixture_builder.io.readers.files import hub_key
from mixture_builder.sources import Source

Record = Mapping[str, Any]


class CannotWriteError(Exception):
    """Records that this source cannot hold, or a source that this module does not know."""


def write_source(source: Source, records: Sequence[Record], folder: Path) -> dict[str, str]:
    """Writes records as files of a source.

    Args:
      source: how they are to be read back.
      records: as fields see them: exploded, joined with what stands beside them.
      folder: for the files.

    Returns:
      A mirror's entries: the source's addresses, and what stands for them.

    Raises:
      CannotWriteError: see there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if source.kind == "hub" and not source.files:
        lines = [_json(_nested(record, source.explode, top=source.columns)) for record in records]
        _write(folder / "train" / "train.jsonl", "\n".join(lines) + "\n", "utf-8")
        return {hub_key(source): str(folder / "train")}
    if source.kind == "hub":
        raise CannotWriteError("files of a Hub repository that are read as a dataset")
    entries: dict[str, str] = {}
    aside: set[str] = set()
    for number, beside in enumerate(source.beside):
        side = source_of(beside)
        columns = set(beside.columns)
        aside |= columns
        chosen = [_only(record, columns) if columns else record for record in records]
        entries |= _write_files(side, chosen, folder / f"beside{number}")
    own = [{k: v for k, v in record.items() if k not in aside} for record in records]
    return entries | _write_files(source, own, folder / "own")


def _only(record: Record, names: set[str]) -> Record:
    return {name: record[name] for name in names if name in record}


def _write_files(source: Source, records: Sequence[Record], folder: Path) -> dict[str, str]:
    single = source.format == "document" or (source.format == "json" and source.records == ".")
    entries: dict[str, str] = {}
    left = list(records)
    for number, address in enumerate(source.files):
        place = folder / str(number)
        mine, left = _share(source, address, left, files=len(source.files) - number, single=single)
        if not mine:
            raise CannotWriteError(f"{address}: no record is left for it")
        if "*" in address and (single or source.from_path):
            for index, record in enumerate(mine):
                name = _name(source, address, record, index)
                _write(place / name, _content(source, [record]), source.encoding)
            entries[address] = str(place / _from_star(address))
        elif source.format == "parquet":
            entries[address] = str(_write_parquet(source, mine, place / "rows.parquet"))
        else:
            _write(place / "rows", _content(source, mine), source.encoding)
            entries[address] = str(place / "rows")
    return entries


def _share(
    source: Source, address: str, records: list[Record], *, files: int, single: bool
) -> tuple[list[Record], list[Record]]:
    """The records that one of the source's files gets, and those for the files after it."""
    if source.from_path:
        mine = [r for r in records if _name(source, address, r, 0, strict=False)]
        return mine, [r for r in records if r not in mine]
    number = 1 if single and "*" not in address else -(-len(records) // files)
    return records[:number], records[number:]


def _name(source: Source, address: str, record: Record, number: int, *, strict: bool = True) -> str:
    """A file name for which the `*` of an address stands, and that says what `from_path` reads."""
    member, tail = address.partition("::")[0], _from_star(address)
    if not source.from_path:
        return tail.replace("*", str(number))
    pattern = re.compile(source.from_path)
    groups = [str(record[name]) for name in pattern.groupindex]
    for stem in (str(number), *(f"{number}_{group}" for group in groups)):
        name = tail.replace("*", stem)
        found = pattern.search(member[: len(member) - len(tail)] + name)
        if found and all(str(record[k]) == v for k, v in found.groupdict().items()):
            return name
    if strict:
        raise CannotWriteError(f"{address}: no name says {groups}")
    return ""


def _from_star(address: str) -> str:
    """What of an address, or of a member of an archive, follows the last folder without `*`."""
    member = address.partition("::")[0]
    return member[member.rfind("/", 0, member.index("*")) + 1 :]


def _write(path: Path, text: str, encoding: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(text.encode(encoding))
    except UnicodeEncodeError as problem:
        raise CannotWriteError(str(problem)) from None


def _write_parquet(source: Source, records: Sequence[Record], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pq.write_table(
            pa.Table.from_pylist(
                [dict(_nested(r, source.explode, top=source.columns)) for r in records]
            ),
            path,
        )
    except pa.ArrowInvalid as problem:
        raise CannotWriteError(str(problem)) from None
    return path


def _content(source: Source, records: Sequence[Record]) -> str:
    nested = [_nested(record, source.explode, top=source.columns) for record in records]
    if source.format == "jsonl":
        return "\n".join(map(_json, nested)) + "\n"
    if source.format == "json":
        return _json(_document(source, nested))
    if source.format in {"csv", "tsv"}:
        return _table(source, nested)
    if source.format == "text":
        names = source.columns or ("text",)
        return "".join(_line(record.get(name, "")) + "\n" for record in nested for name in names)
    if source.format == "document":
        return "".join(str(record["text"]) for record in records)
    if source.format == "natural_instructions":
        return _json(_task(records))
    raise CannotWriteError(f"the format {source.format}")


def _line(value: Any) -> str:
    if re.search(r"[\r\n]", str(value)):
        raise CannotWriteError(f"a line break in {value!r}")
    return str(value)


def _document(source: Source, records: Sequence[Record]) -> Any:
    plain: list[Any] = list(records)
    if source.columns:
        plain = [[record.get(name) for name in source.columns] for record in records]
    *steps, last = source.records.split(".") if source.records not in {"", "."} else [""]
    content: Any = plain
    if source.records == ".":
        content = plain[0]
    elif last == "*":
        content = {str(r.get("key", n)): r for n, r in enumerate(plain)}
    elif last:
        content = {last: plain}
    for step in reversed(steps):
        content = {step: content}
    return content


def _table(source: Source, records: Sequence[Record]) -> str:
    names = list(source.columns or dict.fromkeys(key for record in records for key in record))
    lines = [[_cell(record.get(name)) for name in names] for record in records]
    if source.header:
        lines.insert(0, names)
    quoting = source.format == "csv" if source.quoting is None else source.quoting
    mark = source.delimiter or ("," if source.format == "csv" else "\t")
    if not quoting:
        if any(re.search(rf"[\r\n{re.escape(mark)}]", cell) for line in lines for cell in line):
            raise CannotWriteError("a mark between fields in a field")
        return "".join(mark.join(line) + "\n" for line in lines)
    output = io.StringIO()
    csv.writer(output, delimiter=mark, lineterminator="\n").writerows(lines)
    return output.getvalue()


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _task(records: Sequence[Record]) -> dict[str, Any]:
    """A task file of Natural Instructions; all records are of one task."""
    first = records[0]
    return {
        "Definition": first["definitions"],
        "Positive Examples": first["positive_examples"],
        "Negative Examples": first["negative_examples"],
        "Categories": first["categories"],
        "Source": first["source"],
        "Input_language": first["input_language"],
        "Output_language": first["output_language"],
        "Instance License": first["instance_license"],
        "Instances": [{k: record[k] for k in ("id", "input", "output")} for record in records],
    }


def _nested(record: Record, explode: Sequence[str], *, top: Sequence[str] = ()) -> Record:
    """A record whose innermost list holds one element, from which `explode` makes it again.

    Keys of `top` stand outside of all lists, the others in the innermost one: what reads the
    same file without `explode` finds them there.
    """
    if not explode:
        return record
    *path, last = explode[0].split(".")
    of_mapping = last == "*"
    name = path.pop() if of_mapping and path else last
    if len(explode) == 1 and f"{name}_index" in record and _has_list(record, [*path, name]):
        # The fields look at its neighbours: the whole list is in the record.
        return record
    rest: dict[str, Any] = {k: v for k, v in record.items() if k in top and k != name}
    element: Any = {k: v for k, v in record.items() if k != f"{name}_index" and k not in rest}
    if len(explode) > 1:
        element = _nested(element, explode[1:])
    elif name in element and not isinstance(element[name], (dict, list)):
        rest |= {k: v for k, v in element.items() if k != name}
        element = element[name]
    content: Any = {str(record.get("key", "0")): element} if of_mapping else [element]
    content = {name: content}
    for step in reversed(path):
        content = {step: content}
    return {**rest, **content}


def _has_list(record: Record, path: Sequence[str]) -> bool:
    value: Any = record
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return isinstance(value, list)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
