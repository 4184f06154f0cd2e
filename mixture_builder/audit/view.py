"""A stretch of a shard, laid out so that checks read it by columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.audit.context import AuditContext, AuditedTask
from mixture_builder.audit.hits import KEPT, Evidence, Hits, excerpt
from mixture_builder.audit.style_book import StretchStyles
from mixture_builder.audit.text_column import Flags, Numbers, TextColumn, text_hashes
from mixture_builder.draw import Bits, distinct

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What the rows of a mixture give for the records of a stretch.

    Attributes:
      compared: records that were read and held against their rows.
      same: records that are what their row gives, in every column.
      options: how many options the row of each has; 0 if none, or not known.
      labels: which of the labels of its task the answer of its row is, from 1; 0 if none.
      bounds: of a few-shot prompt the byte at which its query ends, that at which it begins and,
        going up, those at which exemplars begin; 0 if that is not known. A line a record.
    """

    compared: Flags
    same: Flags
    options: Numbers
    labels: Numbers
    bounds: npt.NDArray[np.uint32]


class ShardView:
    """Records of one shard, in their order.

    Args:
      table: with the columns of a finished mixture.
      context: of the audit.
      file: the shard's.
      first_row: place of the first record in the file.

    Attributes:
      given: what the rows give for the records; `None` if that is not known.
    """

    def __init__(
        self, table: pa.Table, context: AuditContext, *, file: str, first_row: int
    ) -> None:
        self.table = table
        self.context = context
        self.file = file
        self.first_row = first_row
        self.rows: int = table.num_rows
        self.given: Given | None = None

    def column(self, name: str) -> pa.Array:
        """A column in one piece."""
        column = self.table.column(name)
        if column.num_chunks == 1:
            return column.chunk(0)
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)

    def coded(self, name: str) -> tuple[list[str], Numbers]:
        """The different values of a column of texts, and which of them each record has."""
        different, codes = self._encoded(name)
        return different.to_pylist(), codes

    def _encoded(self, name: str) -> tuple[pa.Array, Numbers]:
        column = self.column(name)
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes: Numbers = encoded.indices.to_numpy().astype(np.int64)
        return encoded.dictionary, codes

    @cached_property
    def inputs(self) -> TextColumn:
        """The prompts."""
        return TextColumn(self.column("inputs"))

    @cached_property
    def targets(self) -> TextColumn:
        """The targets."""
        return TextColumn(self.column("targets"))

    @cached_property
    def _tasks(self) -> tuple[list[str], Numbers]:
        return self.coded("task_id")

    @property
    def task_names(self) -> list[str]:
        """Ids of the tasks in this stretch."""
        return self._tasks[0]

    @property
    def task_codes(self) -> Numbers:
        """For each record the place of its task in `task_names`."""
        return self._tasks[1]

    @cached_property
    def tasks(self) -> list[AuditedTask | None]:
        """What is known of each of `task_names`; `None` for one that the plan does not name."""
        return [self.context.tasks.get(name) for name in self.task_names]

    @cached_property
    def _templates(self) -> tuple[list[str], Numbers]:
        return self.coded("template_id")

    @property
    def template_names(self) -> list[str]:
        """Ids of the templates in this stretch, of all tasks."""
        return self._templates[0]

    @property
    def template_codes(self) -> Numbers:
        """For each record the place of its template in `template_names`."""
        return self._templates[1]

    @cached_property
    def _variants(self) -> tuple[list[str], Numbers]:
        return self.coded("variant")

    @property
    def variant_names(self) -> list[str]:
        """The variants in this stretch."""
        return self._variants[0]

    @property
    def variant_codes(self) -> Numbers:
        """For each record the place of its variant in `variant_names`."""
        return self._variants[1]

    @cached_property
    def _styles(self) -> tuple[pa.Array, Numbers]:
        return self._encoded("style")

    @property
    def style_texts(self) -> pa.Array:
        """The different styles in this stretch, as they stand in the column."""
        return self._styles[0]

    @cached_property
    def style_hashes(self) -> Bits:
        """A hash of each of `style_texts`."""
        return text_hashes(TextColumn(self.style_texts))

    @cached_property
    def styles(self) -> StretchStyles:
        """The same, taken apart."""
        return self.context.style_book.read(self.style_texts, self.style_hashes)

    @property
    def style_codes(self) -> Numbers:
        """For each record the place of its style in `style_texts`."""
        return self._styles[1]

    @cached_property
    def _sorts(self) -> tuple[list[tuple[int, str, str]], Numbers]:
        templates, variants = len(self.template_names), len(self.variant_names)
        codes = (self.task_codes * templates + self.template_codes) * variants + self.variant_codes
        different, places = distinct(codes)
        sorts = [
            (
                code // variants // templates,
                self.template_names[code // variants % templates],
                self.variant_names[code % variants],
            )
            for code in different.tolist()
        ]
        return sorts, places

    @property
    def sorts(self) -> list[tuple[int, str, str]]:
        """What records are of: place of the task in `task_names`, template and variant."""
        return self._sorts[0]

    @property
    def sort_codes(self) -> Numbers:
        """For each record its place in `sorts`."""
        return self._sorts[1]

    def of_sorts(
        self, what: str, work_out: Callable[[AuditedTask | None, str, str], Found]
    ) -> list[Found]:
        """Something of each of `sorts`; worked out once for all stretches.

        Args:
          what: it is: a name of its own.
          work_out: of a task, which is `None` if the plan does not name it, template and variant.
        """
        known = self.context.of_sorts.setdefault(what, {})
        found = []
        for task, template, variant in self.sorts:
            key = (self.task_names[task], template, variant)
            if key not in known:
                known[key] = work_out(self.tasks[task], template, variant)
            found.append(known[key])
        return found

    @cached_property
    def trusted(self) -> Flags:
        """Records whose texts need not be taken apart: they are what their rows give.

        In small mixtures, and at the beginning of the first shard, all are taken apart the same:
        what rendering itself does wrong would be seen there.
        """
        if self.given is None:
            return np.zeros(self.rows, dtype=bool)
        found: Flags = self.given.same.copy()
        found[: max(0, self.context.taken_apart(self.file) - self.first_row)] = False
        return found

    def with_variant(self, *names: str) -> Flags:
        """Whether each record is of one of some variants."""
        wanted = np.asarray([name in names for name in self.variant_names], dtype=bool)
        flags: Flags = wanted[self.variant_codes] if self.rows else np.zeros(0, dtype=bool)
        return flags

    @cached_property
    def few_shot(self) -> Flags:
        """Whether each record is of a few-shot variant."""
        return self.with_variant("fs_opt", "fs_noopt")

    @cached_property
    def inverted(self) -> Flags:
        """Whether each record is of a template that goes from an answer back to its question."""
        if not self.rows:
            return np.zeros(0, dtype=bool)
        flags = self.of_sorts("inverted", _is_inverted)
        found: Flags = np.asarray(flags, dtype=bool)[self.sort_codes]
        return found

    @cached_property
    def shots(self) -> Numbers:
        """How many exemplars each record says it has."""
        numbers: Numbers = self.column("num_exemplars").to_numpy().astype(np.int64)
        return numbers

    @cached_property
    def exemplar_rows(self) -> tuple[Numbers, Numbers]:
        """Identities of all exemplars, one after the other, and where those of each record begin.

        There is one beginning more than there are records.
        """
        lists = self.column("exemplar_rows")
        starts: Numbers = lists.offsets.to_numpy().astype(np.int64)
        values: Numbers = lists.values.to_numpy()
        return values, starts

    @cached_property
    def row_ids(self) -> Numbers:
        """Identity of the row of each record."""
        ids: Numbers = self.column("row").to_numpy()
        return ids

    @cached_property
    def draws(self) -> Numbers:
        """Number of the draw of each record within its task."""
        numbers: Numbers = self.column("draw").to_numpy()
        return numbers

    def task_of(self, row: int) -> str:
        """The id of a record's task."""
        return self.task_names[int(self.task_codes[row])]

    def evidence(self, row: int, text: str, at: int = 0, length: int = 0) -> Evidence:
        """A record of this stretch as evidence."""
        return Evidence(
            shard=self.file, row=self.first_row + row, text=excerpt(text, at=at, length=length)
        )

    def hit(
        self,
        hits: Hits,
        check: str,
        rows: Iterable[int] | Numbers,
        *,
        column: str = "inputs",
        texts: Sequence[str] | None = None,
        at: Sequence[int] | None = None,
        tail: bool = False,
    ) -> None:
        """Notes records that a check found.

        Args:
          hits: are noted here.
          check: its id.
          rows: places in this stretch.
          column: whose text is shown.
          texts: shown instead, one for each of `rows`.
          at: where in the text of `column` the fault is, in characters.
          tail: whether it is at the end.
        """
        found = np.asarray(rows, dtype=np.int64)
        if not len(found):
            return
        shown = self.inputs if column == "inputs" else self.targets
        codes = self.task_codes[found]
        for code in np.unique(codes).tolist():
            places = np.flatnonzero(codes == code)
            first = [
                self.evidence(
                    int(found[place]),
                    texts[place] if texts is not None else shown.text(int(found[place])),
                    at=1 << 40 if tail else at[place] if at is not None else 0,
                )
                for place in places[:KEPT].tolist()
            ]
            hits.add(check, self.task_names[code], count=len(places), evidence=first)


def _is_inverted(task: AuditedTask | None, template_id: str, _: str) -> bool:
    place = task.template_places.get(template_id) if task else None
    return task is not None and place is not None and task.templates[place].direction == "inverted"


def as_counter(keys: Sequence[Any], codes: Numbers) -> dict[Any, int]:
    """How often each key occurs, for codes that are places in `keys`."""
    counts = np.bincount(codes, minlength=len(keys)) if len(codes) else np.zeros(len(keys), int)
    return {key: int(n) for key, n in zip(keys, counts.tolist(), strict=True) if n}
