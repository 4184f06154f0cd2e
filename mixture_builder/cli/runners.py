"""Which runner the command line asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mixture_builder.errors import UsageError

if TYPE_CHECKING:
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.jobs.runner import Runner
    from mixture_builder.transforms.runner import BeamRunner


def make_runner(
    *,
    name: str | None,
    workers: int | None,
    beam_options: tuple[str, ...],
    warm: Mapping[str, str] | None = None,
    log: JobLog | None = None,
) -> Runner:
    """The runner for `--runner`, `--workers` and what follows after `--`.

    Args:
      name: of a Beam runner, or `None` for the local pool.
      workers: processes of the local pool.
      beam_options: what stands after `--`.
      warm: what the pool should parse beforehand, see `warming`.
      log: told of workers that died.

    Raises:
      UsageError: if they do not go together, or the runner is one that hangs.
    """
    if name is None:
        if beam_options:
            raise UsageError(
                f"found '{beam_options[0]}' after the recipe; expected nothing more. Options of "
                "Beam need --runner NAME, and stand after `--`."
            )
        from mixture_builder.drivers.pool import available_cores, start_early

        count = available_cores() if workers is None else workers
        if count:
            start_early(warm)
        from mixture_builder.drivers.local import LocalRunner
        from mixture_builder.io.no_pandas import keep_pandas_out

        keep_pandas_out()

        def tell(text: str) -> None:
            if log is not None:
                log.say("worker_died", text, message=text)

        return LocalRunner(workers=count, on_death=tell)
    return beam_runner(name, workers=workers, beam_options=beam_options)


def beam_runner(name: str, *, workers: int | None, beam_options: tuple[str, ...]) -> BeamRunner:
    """The Beam runner for `--runner` and what follows after `--`.

    Raises:
      UsageError: as for `make_runner`.
    """
    if workers is not None:
        raise UsageError(
            f"found --workers beside --runner {name}; expected one of them. A Beam runner has "
            "options of its own for that, after `--`."
        )
    if name.rsplit(".", 1)[-1].lower() in {"directrunner", "switchingdirectrunner"}:
        raise UsageError(
            f"found --runner {name}, which may wait for a download for ever. Use "
            "--runner FnApiRunner for Beam on this machine, or leave --runner out for a pool of "
            "worker processes."
        )
    if beam_options and not beam_options[0].startswith("-"):
        raise UsageError(
            f"found '{beam_options[0]}' where options of Beam begin; expected --option=value."
        )
    from mixture_builder.transforms.runner import BeamRunner

    return BeamRunner(name, list(beam_options))


def warming(recipe: str, *, cards: Path | None, templates: Path | None) -> dict[str, str]:
    """What workers of a build should find parsed: nothing, if there is no such recipe."""
    from mixture_builder.shipped import find_recipe

    try:
        path = find_recipe(recipe)
    except UsageError:
        return {}
    return {
        "recipe": str(path),
        "cards": str(cards) if cards else "",
        "templates": str(templates) if templates else "",
    }
