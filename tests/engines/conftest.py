"""Commands of the installed wheel, in the environments that `make test-engines` makes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stores.conftest import running_s3, s3
from tests.transforms.conftest import Small, built_locally, small, stored

__all__ = ["built_locally", "running_s3", "s3", "small", "stored"]

ROOT = Path(__file__).parents[2]


@dataclass
class Environment:
    """An installed wheel, used from a folder of its own as if it were another machine.

    Attributes:
      bin: of the environment.
      home: the folder that commands are started in, with their caches.
      variables: that they are given besides.
    """

    bin: Path
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """All variables of a command: nothing of this process but the system's paths."""
        return {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "PYTHONWARNINGS": "ignore",
            **({"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}),
            **self.variables,
        }

    def run(self, *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs a program of the environment."""
        program, *rest = map(str, arguments)
        return subprocess.run(
            [str(self.bin / program), *rest],
            cwd=self.home,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @contextmanager
    def started(self, *arguments: object, until: int) -> Iterator[None]:
        """A program beside; begins when it listens on the port `until`."""
        program, *rest = map(str, arguments)
        with open(self.home / "log", "ab") as log:
            process = subprocess.Popen(
                [str(self.bin / program), *rest],
                cwd=self.home,
                env=self.environ(),
                stdout=log,
                stderr=log,
            )
        try:
            for _ in range(600):
                assert process.poll() is None, (self.home / "log").read_text()
                with socket.socket() as probe:
                    if probe.connect_ex(("localhost", until)) == 0:
                        break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


def environment(name: str, home: Path, **variables: str) -> Environment:
    """One of the environments; skips the test where it was not made."""
    made = Path(os.environ.get("MIXTURE_BUILDER_ENGINES", ROOT / "build" / "engines"))
    if not (made / name / "bin" / "mixture-builder").is_file():
        pytest.skip(f"{made / name} is not there; `make test-engines` makes it")
    home.mkdir(parents=True, exist_ok=True)
    return Environment(bin=made / name / "bin", home=home, variables=variables)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def job_service(launcher: Environment, workers: Environment) -> Iterator[list[str]]:
    """Beam's job service and its pool of external workers; gives the options that name them."""
    service, pool = free_port(), free_port()
    beam = ["python", "-m"]
    with (
        launcher.started(
            *beam,
            "apache_beam.runners.portability.local_job_service_main",
            f"--port={service}",
            until=service,
        ),
        workers.started(
            *beam,
            "apache_beam.runners.worker.worker_pool_main",
            f"--service_port={pool}",
            until=pool,
        ),
    ):
        yield [
            f"--job_endpoint=localhost:{service}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool}",
        ]


def build_command(
    small: Small, folder: Path, *, store: str, out: str, sources: str = ""
) -> list[str]:
    """`mixture-builder build` for the small mixture, whose sources may stand elsewhere."""
    copies = {key: sources or value for key, value in small.mirror.sources.items()}
    mirror = folder / "mirror.yaml"
    mirror.write_text(yaml.safe_dump({"sources": copies}), encoding="utf-8")
    return [
        "mixture-builder",
        "build",
        str(small.recipe),
        f"--cards={small.cards}",
        f"--mirror={mirror}",
        f"--store={store}",
        f"--out={out}",
        "--json",
    ]


def summary(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a build of the small mixture says, which leaves one task out."""
    assert done.returncode == 3, done.stderr[-4_000:]
    start = done.stdout.index("{\n")
    result: dict[str, Any] = json.loads(done.stdout[start:])
    return result
