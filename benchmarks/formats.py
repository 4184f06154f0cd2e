"""How fast finished examples are written and read in each format, on one core.

    python benchmarks/formats.py --rows 100000 --shots 5

The table is made up, but shaped like a mixture: some hundred tasks with an instruction each,
texts of words as unevenly frequent as in prose, five-shot prompts about three times as long
as zero-shot ones. Real rows can be measured with `--table FILE.parquet`. MB are the bytes of
all columns in memory, so the rates of formats compare; the last line is pyarrow writing
Parquet with the same codec and nothing else: the floor a build is measured against.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mixture_builder.io.atomic import WrittenFile
from mixture_builder.io.digest import content_digest
from mixture_builder.io.example_schema import EXAMPLE_SCHEMA, REPETITIVE_COLUMNS
from mixture_builder.io.jsonl import read_jsonl, write_jsonl
from mixture_builder.io.parquet import DEFAULT_COMPRESSION_LEVEL, read_parquet, write_parquet
from mixture_builder.io.tfrecord import read_tfrecord, write_tfrecord

TASKS = 200
WORDS = 30_000
# Words of a question, of an answer and of a task's instruction, on average.
QUESTION, ANSWER, INSTRUCTION = 60, 6, 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """The best of several runs.

    Attributes:
      seconds: wall time.
      processor_seconds: time on the processor, which a busy machine changes less.
    """

    seconds: float
    processor_seconds: float


def make_table(rows: int, *, shots: int, seed: int = 0) -> pa.Table:
    """A made-up table of finished examples; the same for the same arguments."""
    random = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    chances = np.linspace(2, 0.1, len(letters))
    words = [
        "".join(random.choice(letters, size=size, p=chances / chances.sum()))
        for size in random.integers(1, 12, WORDS)
    ]
    # Word frequencies fall with the rank (Zipf's law), as in any natural text.
    frequencies = 1 / np.arange(1, WORDS + 1)
    drawn = random.choice(WORDS, size=2_000_000, p=frequencies / frequencies.sum())

    def texts(count: int, mean: int) -> list[str]:
        lengths = np.minimum(random.geometric(1 / mean, count), 20 * mean)
        starts = random.integers(0, len(drawn) - 20 * mean, count)
        return [
            " ".join(words[word] for word in drawn[start : start + length]).capitalize() + "."
            for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]

    instructions = texts(TASKS, INSTRUCTION)
    questions, answers = texts(rows, QUESTION), texts(rows, ANSWER)
    tasks = random.integers(0, TASKS, rows).tolist()
    exemplars = random.integers(0, rows, (rows, shots)).tolist()
    prompts = [
        "\n\n".join(
            [
                instructions[tasks[row]],
                *(f'Q: "{questions[shown]}"\nA: {answers[shown]}' for shown in exemplars[row]),
                f'Q: "{questions[row]}"\nA:',
            ]
        )
        for row in range(rows)
    ]
    columns = {
        "inputs": prompts,
        "targets": answers,
        "task_id": [f"niv2/task{task:04d}_question_answering" for task in tasks],
        "submixture": ["niv2"] * rows,
        "variant": ["fs_noopt" if shots else "zs_noopt"] * rows,
        "template_id": [f"template_{number}" for number in random.integers(0, 12, rows)],
        "style": [f"exemplars=style_{number}" for number in random.integers(0, 20, rows)],
        "num_exemplars": [shots] * rows,
        "exemplar_rows": exemplars,
        "row": random.integers(0, 10**6, rows).tolist(),
        "draw": list(range(rows)),
    }
    return pa.table(columns, schema=EXAMPLE_SCHEMA)


def measure(run: Callable[[], object], *, repeat: int) -> Measured:
    """The fastest of `repeat` runs, after one to warm up."""
    run()
    found = []
    for _ in range(repeat):
        gc.collect()
        wall, processor = time.perf_counter(), time.process_time()
        run()
        found.append((time.perf_counter() - wall, time.process_time() - processor))
    return Measured(
        seconds=min(wall for wall, _ in found),
        processor_seconds=min(processor for _, processor in found),
    )


def write_with_pyarrow_alone(table: pa.Table, url: str) -> None:
    """The floor: no conformity check, no hash, no temporary name, no fsync, no page index."""
    pq.write_table(
        table,
        url,
        compression="zstd",
        compression_level=DEFAULT_COMPRESSION_LEVEL,
        use_dictionary=list(REPETITIVE_COLUMNS),
    )


def read_all(read: Callable[[str], Iterable[pa.RecordBatch]], url: str) -> int:
    """Reads everything and keeps nothing."""
    return sum(batch.num_rows for batch in read(url))


def report(label: str, table: pa.Table, measured: Measured, size: int | None = None) -> None:
    """Prints one line of the result."""
    rows, megabytes = table.num_rows, table.nbytes / 1e6
    print(
        f"{label:<28} {rows / measured.seconds:>11,.0f} {megabytes / measured.seconds:>8,.0f} "
        f"{measured.processor_seconds / rows * 1e6:>9.2f} "
        f"{'' if size is None else f'{size / 1e6:,.1f}':>9}",
        flush=True,
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=50_000, help="rows of the made-up table")
    parser.add_argument("--shots", type=int, default=0, help="exemplars in each prompt")
    parser.add_argument("--table", type=Path, help="measure the rows of this Parquet file")
    parser.add_argument("--repeat", type=int, default=3, help="runs, of which the best counts")
    arguments = parser.parse_args()
    if arguments.table:
        table = pq.read_table(arguments.table, columns=EXAMPLE_SCHEMA.names)
        table = table.cast(EXAMPLE_SCHEMA)
    else:
        table = make_table(arguments.rows, shots=arguments.shots)
    table = table.combine_chunks()
    pa.set_cpu_count(1)

    print(f"{table.num_rows:,} rows, {table.nbytes / 1e6:,.0f} MB, pyarrow {pa.__version__}\n")
    print(f"{'':<28} {'rows/s':>11} {'MB/s':>8} {'us/row':>9} {'file MB':>9}")
    formats: dict[str, tuple[Callable[..., WrittenFile], Callable[[str], Iterable[pa.RecordBatch]]]]
    formats = {
        "parquet": (write_parquet, read_parquet),
        "parquet, level 3": (partial(write_parquet, compression_level=3), read_parquet),
        "tfrecord": (write_tfrecord, read_tfrecord),
        "jsonl": (write_jsonl, read_jsonl),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, read) in formats.items():
            url = str(Path(folder) / name)
            written = measure(partial(write, table, url), repeat=arguments.repeat)
            report(f"write {name}", table, written, Path(url).stat().st_size)
            read_back = measure(partial(read_all, read, url), repeat=arguments.repeat)
            report(f"read {name}", table, read_back)
        digested = measure(lambda: content_digest(table), repeat=arguments.repeat)
        report("content digest", table, digested)
        url = str(Path(folder) / "floor.parquet")
        floor = measure(partial(write_with_pyarrow_alone, table, url), repeat=arguments.repeat)
        report("pyarrow alone, parquet", table, floor, Path(url).stat().st_size)


if __name__ == "__main__":
    main()
