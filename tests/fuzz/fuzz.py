"""Fuzzes one target for some seconds: `make fuzz`.

    python -m tests.fuzz.fuzz card --seconds 120

With atheris installed (it needs CPython 3.11, and is in no lock file of ours), inputs are made by
what they cover; without it, by changing those of the corpus at random. What fails is written to
build/fuzz and ends the run with 1.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path("build/fuzz")


def mutated(data: bytes, others: list[bytes], random_: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled or taken from another input."""
    for _ in range(random_.randint(1, 6)):
        at = random_.randint(0, len(data))
        end = min(len(data), at + random_.randint(0, 16))
        other = random_.choice(others)
        start = random_.randint(0, len(other))
        piece = random_.choice(
            [
                b"",
                bytes(random_.randrange(256) for _ in range(random_.randint(1, 4))),
                data[at:end] * random_.randint(1, 40),
                other[start : start + random_.randint(1, 40)],
                random_.choice(
                    [b"{{", b"}}", b"{%", b"&a ", b"*a", b"!!", b"\x00", b"\xff", b"9" * 50]
                ),
            ]
        )
        data = data[:at] + piece + data[end:]
    return data[:20_000]


def at_random(name: str, *, seconds: float, seed: int) -> int:
    """Runs changed inputs of the corpus; gives how many there were."""
    from tests.fuzz.targets import run

    random_ = random.Random(f"{name} {seed}")
    corpus = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        data = mutated(random_.choice(corpus), corpus, random_)
        start = time.monotonic()
        try:
            run(name, data)
        except BaseException:
            keep(name, data)
            raise
        if time.monotonic() - start > 5:
            keep(f"{name}-slow", data)
        count += 1
    return count


def keep(name: str, data: bytes) -> None:
    """Writes an input that failed where it can be looked at."""
    FOUND.mkdir(parents=True, exist_ok=True)
    (FOUND / f"{name}-{abs(hash(data)):x}").write_bytes(data)


def by_coverage(name: str, *, seconds: float) -> None:
    """Runs atheris, which ends this process."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["mixture_builder", "yaml", "jinja2"]):
        from tests.fuzz.targets import run

    FOUND.mkdir(parents=True, exist_ok=True)
    work = FOUND / f"corpus-{name}"
    work.mkdir(exist_ok=True)
    # What is longer would be cut, and nothing that is kept would be read to its end.
    longest = max(path.stat().st_size for path in (CORPUS / name).iterdir())
    options = [f"-max_total_time={int(seconds)}", "-timeout=20", f"-max_len={longest + 4000}"]
    options += [f"-artifact_prefix={FOUND}/{name}-", "-print_final_stats=1", "-rss_limit_mb=4000"]
    atheris.Setup(
        [sys.argv[0], str(work), str(CORPUS / name), *options], lambda data: run(name, data)
    )
    atheris.Fuzz()


def main() -> int:
    """Fuzzes the target that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("target", choices=sorted(p.name for p in CORPUS.iterdir()))
    parser.add_argument("--seconds", type=float, default=120, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--atheris", action="store_true", help="make inputs by coverage")
    arguments = parser.parse_args()
    if arguments.atheris:
        by_coverage(arguments.target, seconds=arguments.seconds)
        return 0
    count = at_random(arguments.target, seconds=arguments.seconds, seed=arguments.seed)
    sys.stdout.write(f"{arguments.target}: {count:,} inputs, none fails\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
