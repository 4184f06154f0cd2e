"""What the tests of the file formats share: small tables of finished examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from mixture_builder.io.example_schema import EXAMPLE_SCHEMA


@pytest.fixture(scope="session")
def make_examples() -> Callable[[Sequence[tuple[str, str]]], pa.Table]:
    """Makes a table from pairs of prompt and target; the other columns follow the position."""

    def make(pairs: Sequence[tuple[str, str]]) -> pa.Table:
        records = [
            {
                "inputs": inputs,
                "targets": targets,
                "task_id": f"cot/task_{position % 3}",
                "submixture": "cot",
                "variant": "fs_noopt" if position % 3 else "zs_noopt",
                "template_id": f"ask_{position % 5}",
                "style": "",
                "num_exemplars": position % 3,
                "exemplar_rows": [position + 2**40, -position][: position % 3],
                "row": position,
                "draw": 2**33 - position,
            }
            for position, (inputs, targets) in enumerate(pairs)
        ]
        return pa.Table.from_pylist(records, schema=EXAMPLE_SCHEMA)

    return make
