"""Reading upstream files: what a card's `source` names, as records.

    read_source -> source_files   resolve through the mirror, expand globs, check
                -> read_file      open, undo compression, parse, join, explode

| format | a record is | file |
|---|---|---|
| jsonl | a line | jsonl.py |
| json | an element of a list in the document | json_documents.py |
| csv, tsv | a row | tables.py |
| parquet | a row | parquet.py |
| text, document | N lines; a whole file | text.py |
| xml | an element | xml_elements.py |
| natural_instructions | an instance | natural_instructions.py |

What goes wrong with one record is yielded as a `BadRecord`, and reading goes on; what goes
wrong with a file is a `SourceError`. Cards may name web addresses and files in their own
folder only; other local files must come out of the user's mirror. Nothing is unpickled.
"""

from mixture_builder.io.readers.files import SourceFile, is_mirrored, named_files, source_files
from mixture_builder.io.readers.reading import may_pass, read_file, read_source
from mixture_builder.io.readers.records import BAD_REASONS, BadReason, BadRecord, SourceRecord
from mixture_builder.io.readers.seen import SeenFile

__all__ = [
    "BAD_REASONS",
    "BadReason",
    "BadRecord",
    "SeenFile",
    "SourceFile",
    "SourceRecord",
    "is_mirrored",
    "may_pass",
    "named_files",
    "read_file",
    "read_source",
    "source_files",
]
