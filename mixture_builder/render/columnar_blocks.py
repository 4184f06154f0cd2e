"""Examples of a task as columns of one length: on their way, and finished."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixture_builder.draw import Indices
from mixture_builder.render.batch import TaskContext


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedBlock:
    """Finished examples as columns of one length.

    Attributes:
      exemplar_rows: identities of the rows shown, a list an example; `None` where none are.
      bounds: the byte of each prompt at which its query ends, that at which it begins and, going
        up, those at which exemplars begin, a list an example; `None` likewise.
    """

    draws: Indices
    cells: Indices
    templates: Indices
    rows: npt.NDArray[np.int64]
    inputs: pa.Array
    targets: pa.Array
    styles: pa.Array
    exemplar_rows: pa.ListArray | None = None
    bounds: pa.ListArray | None = None

    def without(self, places: Indices) -> RenderedBlock:
        """All but the examples at some places."""
        kept = np.setdiff1d(np.arange(len(self.draws)), places)
        taken = pa.array(kept)
        rows, bounds = self.exemplar_rows, self.bounds
        return RenderedBlock(
            draws=self.draws[kept],
            cells=self.cells[kept],
            templates=self.templates[kept],
            rows=self.rows[kept],
            inputs=self.inputs.take(taken),
            targets=self.targets.take(taken),
            styles=self.styles.take(taken),
            exemplar_rows=None if rows is None else rows.take(taken),
            bounds=None if bounds is None else bounds.take(taken),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Draws whose queries are to be rendered, as columns of one length.

    Attributes:
      cells: what they serve.
      templates: what they are said with.
      rows: what they are about; they have what the templates require.
    """

    draws: Indices
    cells: Indices
    templates: Indices
    rows: Indices

    def select(self, places: Indices) -> Asked:
        """Some of them."""
        return Asked(
            draws=self.draws[places],
            cells=self.cells[places],
            templates=self.templates[places],
            rows=self.rows[places],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Queries:
    """Draws whose queries are rendered, as columns of one length.

    Attributes:
      rows: indices of their rows.
      option_numbers: of the option styles; -1 where none is shown.
      labels: what `answer` stands for in targets; `None` for tasks without options.
      instructions: what stands above the exemplars; empty texts where nothing does.
    """

    draws: Indices
    cells: Indices
    templates: Indices
    rows: Indices
    inputs: pa.Array
    targets: pa.Array
    styles: pa.Array
    option_numbers: Indices
    labels: pa.Array | None
    instructions: pa.Array

    def select(self, places: Indices) -> Queries:
        """Some of them; `places` ascend."""
        if len(places) == len(self.draws):
            return self
        taken = pa.array(places)
        return Queries(
            draws=self.draws[places],
            cells=self.cells[places],
            templates=self.templates[places],
            rows=self.rows[places],
            inputs=self.inputs.take(taken),
            targets=self.targets.take(taken),
            styles=self.styles.take(taken),
            option_numbers=self.option_numbers[places],
            labels=None if self.labels is None else self.labels.take(taken),
            instructions=self.instructions.take(taken),
        )

    def part(self, start: int, stop: int, *, before: int) -> Queries:
        """Those from a place to another, one past the last, without a copy of their texts.

        Args:
          start: the first place.
          stop: one past the last.
          before: what their draws and rows count from.
        """
        length = stop - start
        return Queries(
            draws=self.draws[start:stop] - before,
            cells=self.cells[start:stop],
            templates=self.templates[start:stop],
            rows=self.rows[start:stop] - before,
            inputs=self.inputs.slice(start, length),
            targets=self.targets.slice(start, length),
            styles=self.styles.slice(start, length),
            option_numbers=self.option_numbers[start:stop],
            labels=None if self.labels is None else self.labels.slice(start, length),
            instructions=self.instructions.slice(start, length),
        )

    def finished(self, context: TaskContext) -> RenderedBlock:
        """Zero-shot examples are their queries."""
        return RenderedBlock(
            draws=self.draws,
            cells=self.cells,
            templates=self.templates,
            rows=context.rows.ids(self.rows),
            inputs=self.inputs,
            targets=self.targets,
            styles=self.styles,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Exemplars that were rendered, and which of them each prompt shows.

    Attributes:
      inputs, targets: their texts.
      owners: for each exemplar of each prompt the prompt's place.
      shown: for each exemplar of each prompt its place among the texts.
      rows: for each exemplar of each prompt the pool row.
    """

    inputs: pa.Array
    targets: pa.Array
    owners: Indices
    shown: Indices
    rows: Indices
