"""A plan drawn: shares of parts, and examples of tasks against their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixture_builder.cli.plan_facts import PlanFacts
from mixture_builder.errors import UsageError

SUFFIXES = (".svg", ".png", ".pdf")


def check_plot(path: Path) -> None:
    """Refuses what cannot be drawn before any work is done.

    Raises:
      UsageError: if the name says no known kind of file, or matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--plot {path}: expected a name that ends in {', '.join(SUFFIXES)}.")
    try:
        import matplotlib as mpl  # noqa: F401
    except ModuleNotFoundError as problem:
        raise UsageError(
            "--plot: the package matplotlib is not installed. Run "
            "`pip install 'mixture-builder[plots]'`."
        ) from problem


def draw_plan(facts: PlanFacts, path: Path) -> None:
    """Draws a plan into a file; equal plans give equal files with one version of matplotlib.

    Raises:
      UsageError: if the file cannot be written.
    """
    import matplotlib as mpl

    settings: Any = {"svg.hashsalt": "mixture-builder", "font.size": 9, "axes.spines.top": False}
    with mpl.rc_context({**settings, "axes.spines.right": False}):
        from matplotlib.figure import Figure

        leaves = sorted({t.submixture for t in facts.plan.tasks})
        figure = Figure(figsize=(11, max(4.0, 1.6 + 0.36 * len(leaves))), layout="constrained")
        shares, tasks = figure.subplots(1, 2)
        colours = {path: f"C{number % 10}" for number, path in enumerate(leaves)}
        _draw_shares(shares, facts, leaves, colours)
        _draw_tasks(tasks, facts, leaves, colours)
        figure.suptitle(f"{facts.plan.name}: {facts.plan.examples:,} examples")
        # A date would make two drawings of one plan differ.
        metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
        try:
            figure.savefig(path, dpi=150, metadata=metadata)
        except OSError as problem:
            raise UsageError(f"--plot {path}: {problem.strerror or problem}.") from problem


def _draw_shares(axes: Any, facts: PlanFacts, leaves: list[str], colours: dict[str, str]) -> None:
    whole = max(1, facts.plan.examples)
    quotas = {p["path"]: p["quota"] for p in facts.parts}
    places = range(len(leaves))
    got = [100 * quotas[path] / whole for path in leaves]
    asked = [100 * float(facts.asked_shares[path]) for path in leaves]
    axes.barh(places, got, color=[colours[path] for path in leaves], height=0.62)
    axes.plot(asked, places, "|", color="black", markersize=14, label="asked by the recipe")
    for place, value, path in zip(places, got, leaves, strict=True):
        axes.annotate(
            f"{quotas[path]:,}",
            (value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color="#444444",
            fontsize=8,
        )
    axes.set_yticks(places, leaves)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.set_xlabel("share of the examples, %")
    axes.legend(frameon=False, loc="lower right", fontsize=8)


def _draw_tasks(axes: Any, facts: PlanFacts, leaves: list[str], colours: dict[str, str]) -> None:
    drawn = [t for t in facts.plan.tasks if t.quota]
    for path in leaves:
        own = [t for t in drawn if t.submixture == path]
        if own:
            rows, quotas = [t.query_rows for t in own], [t.quota for t in own]
            axes.scatter(rows, quotas, s=12, color=colours[path], alpha=0.6, label=path, lw=0)
    values = [v for t in drawn for v in (t.query_rows, t.quota)]
    ends = [min(values) / 1.5, max(values) * 1.5]
    axes.plot(ends, ends, color="black", lw=0.8)
    axes.fill_between(ends, ends, [ends[1]] * 2, color="black", alpha=0.05, lw=0)
    axes.text(0.03, 0.96, "rows repeat", transform=axes.transAxes, va="top", color="#444444")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set_xlabel("rows of a task")
    axes.set_ylabel("examples of it")
    if len(leaves) > 1:
        axes.legend(frameon=False, loc="lower right", fontsize=8, markerscale=1.6)
