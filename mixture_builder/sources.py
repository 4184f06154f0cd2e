"""Where a task's records come from, as a card says it: data only, nothing is opened here.

`mixture_builder.io.readers` does the reading and says what a record of each format holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Format = Literal[
    "jsonl", "json", "csv", "tsv", "parquet", "text", "document", "xml", "natural_instructions"
]
"""`text` is a record every N lines, `document` a record a file, the others as named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """Files read next to a source's own files (labels, the other language).

    Attributes:
      files: as many as the source has; the n-th file stands beside the source's n-th file.
      format: how they are read; usually `text`.
      columns: names for the columns they add.
      encoding: of the bytes.
      header: whether the first line of a csv or tsv names the columns.
      quoting: csv and tsv: whether `"` quotes; `None` is yes for csv and no for tsv.
      records: json: dotted path to the records, as in `Source`.
      by: a key both sides have; records with an equal value meet. Empty: the n-th record
        of one meets the n-th of the other. With `by`, the side file is held in memory.
    """

    files: tuple[str, ...]
    format: Format = "text"
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    header: bool = False
    quoting: bool | None = None
    records: str = ""
    by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One place that can supply a task's upstream records.

    Attributes:
      kind: `files` (through fsspec) or `hub` (a Hugging Face dataset without a script).
      files: URLs, paths relative to the card's folder, or members of archives
        (`zip://data/*.json::https://.../a.zip`); a `*` glob is allowed where the file
        system can list. For `hub`: empty, or Parquet paths inside the repository.
      format: how the files are read.
      dataset, config: of the Hub; empty for files.
      revision: the pinned revision of the repository the files come from.
      split: which split of the dataset these records are.
      encoding: of text formats.
      columns: names for csv and tsv (they win over a header), for `text`, and for json
        records that are lists; parquet: only these columns are read.
      header: csv and tsv: the first line names the columns.
      quoting: csv and tsv: whether `"` quotes; `None` is yes for csv and no for tsv.
      delimiter: csv and tsv: one character; empty is a comma for csv and a tab for tsv.
      records: json: dotted path to the list of records; empty when the file is the list.
        A last part `*` takes the values of a mapping, each seen with its key as `key`;
        `.` makes the whole file one record.
      explode: keys of nested lists, outermost first; each inner element becomes a record
        that also sees the keys of its parents, and its number in the list under
        `<key>_index` (from 0). An element that is no mapping is seen under the key's own
        name. A key may be a dotted path (`passage.questions`) and may end in `.*`.
      lines_per_record: text: how many lines make one record; with more than one,
        `columns` names them in order.
      beside: files read next to these.
      from_path: regular expression with named groups, searched in the file's name as the
        card gives it; the groups become columns (labels by folder or file name).
      xml_record: xml: tag of the element that is a record; empty: the children of the root.
    """

    kind: Literal["files", "hub"] = "files"
    files: tuple[str, ...] = ()
    format: Format = "jsonl"
    dataset: str = ""
    config: str = ""
    revision: str = ""
    split: str = "train"
    encoding: str = "utf-8"
    columns: tuple[str, ...] = ()
    header: bool = True
    quoting: bool | None = None
    delimiter: str = ""
    records: str = ""
    explode: tuple[str, ...] = ()
    lines_per_record: int = 1
    beside: tuple[Beside, ...] = field(default=())
    from_path: str = ""
    xml_record: str = ""
