"""Plots of a mixture, as SVG that takes its colours and fonts from the page.

Drawn by matplotlib with texts as texts. The page's policy applies no styles that stand in
attributes, so these become attributes of their own, and colours become classes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

SVG = "http://www.w3.org/2000/svg"

COLOURS: Mapping[str, str] = {
    "#010101": "ink",
    "#020202": "quiet",
    "#030303": "line",
    "#040404": "found",
    "#050505": "asked",
}
"""Stand-ins that no plot uses otherwise, by the class that the page colours."""

INK, QUIET, LINE, FOUND, ASKED = COLOURS

_MEASURES = {
    "input_chars": "Prompts, characters",
    "target_chars": "Targets, characters",
    "input_tokens": "Prompts, tokens",
    "target_tokens": "Targets, tokens",
}

_LETTER = re.compile(r"url\(#(.+)\)")

MOST_PARTS = 12
"""Parts whose numbers of exemplars are drawn; those with the most records."""


def lengths_figure(lengths: Mapping[str, Mapping[str, Any]]) -> str:
    """Histograms of all lengths that were measured, by powers of two."""
    measures = [name for name in _MEASURES if name in lengths]
    if not measures:
        return ""

    def draw(figure: Any) -> None:
        axes = figure.subplots(1, len(measures), squeeze=False)[0]
        for axis, name in zip(axes, measures, strict=True):
            bins = dict(lengths[name]["histogram"])
            sizes = _powers(bins)
            axis.bar(range(len(sizes)), [bins.get(s, 0) for s in sizes], width=0.86, color=FOUND)
            step = 1 + (len(sizes) - 1) // 7
            axis.set_xticks(range(0, len(sizes), step), [f"{s:,}" for s in sizes[::step]])
            axis.set_title(_MEASURES[name], loc="left", fontsize=9)
            _plain(axis)

    return _svg(draw, name="lengths", size=(3.4 * len(measures), 1.9))


def _powers(bins: Mapping[int, int]) -> list[int]:
    """All powers of two between the smallest and the largest bin, and 0 if it is there."""
    some = [size for size in bins if size]
    sizes = [0] if 0 in bins else []
    if some:
        sizes += [1 << power for power in range(min(some).bit_length() - 1, max(some).bit_length())]
    return sizes


def shots_figure(shots: Mapping[str, Mapping[str, Any]]) -> str:
    """Numbers of exemplars of few-shot prompts, asked and found, by part of the recipe."""
    shown = [part for part in shots if shots[part]["found"]]
    shown = sorted(shown, key=lambda p: -sum(shots[p]["found"].values()))[:MOST_PARTS]
    parts = [part for part in shots if part in shown]
    if not parts:
        return ""
    columns = min(4, len(parts))
    lines = -(-len(parts) // columns)

    def draw(figure: Any) -> None:
        axes = figure.subplots(lines, columns, squeeze=False).flatten()
        for axis, part in zip(axes, parts, strict=False):
            numbers = sorted({int(n) for kind in ("asked", "found") for n in shots[part][kind]})
            for kind, colour, shift in (("asked", ASKED, -0.21), ("found", FOUND, 0.21)):
                counts = [shots[part][kind].get(str(n), 0) for n in numbers]
                places = [place + shift for place in range(len(numbers))]
                axis.bar(places, counts, width=0.4, color=colour, label=kind)
            axis.set_xticks(range(len(numbers)), [str(n) for n in numbers])
            axis.set_title(_plain_text(part), loc="left", fontsize=9)
            _plain(axis)
        for axis in axes[len(parts) :]:
            axis.set_axis_off()

    return _svg(draw, name="shots", size=(1.7 * columns if columns > 1 else 3.4, 1.5 * lines))


def _plain_text(text: str) -> str:
    """A name of which matplotlib takes no letter for mathematics."""
    return text.replace("$", r"\$")


def _plain(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axis.grid(axis="y", color=LINE, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0, colors=QUIET, labelsize=8)
    axis.spines[["left", "top", "right"]].set_visible(False)
    axis.spines["bottom"].set_color(LINE)


def _short(value: float) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def _svg(draw: Callable[[Any], None], *, name: str, size: tuple[float, float]) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "text.color": INK}
    with mpl.rc_context({**settings, "font.size": 9, "axes.titlecolor": INK}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        out = io.BytesIO()
        # A date would make two reports of one mixture differ.
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=metadata)
    return _of_the_page(out.getvalue(), name)


def _of_the_page(svg: bytes, name: str) -> str:
    """The element `svg` alone: no style, no foreign names, colours as classes, ids of its own."""
    ET.register_namespace("", SVG)
    # What matplotlib has just written, in which names are escaped: no entities to be expanded.
    root = ET.fromstring(svg)  # noqa: S314
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        classes = []
        for key, value in _declarations(element.attrib.pop("style", "")):
            if value in COLOURS:
                classes.append(f"{key}-{COLOURS[value]}")
            elif key == "font-size" or not key.startswith("font"):
                element.set(key, value)
        if classes:
            element.set("class", " ".join(classes))
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key.rpartition("}")[2] == "href":
                del element.attrib[key]
                element.set("href", f"#{name}-{value[1:]}")
            elif found := _LETTER.fullmatch(value):
                element.set(key, f"url(#{name}-{found[1]})")
    width = float(root.attrib.pop("width").removesuffix("pt"))
    root.attrib.pop("height")
    root.set("width", f"{width * 4 / 3:.0f}")
    root.set("aria-hidden", "true")
    return ET.tostring(root, encoding="unicode")


def _declarations(style: str) -> Sequence[tuple[str, str]]:
    pairs = []
    for declaration in style.split(";"):
        key, _, value = declaration.partition(":")
        key, value = key.strip(), value.strip()
        if key == "font":
            pairs.append(("font-size", value.split("px")[0].split()[-1]))
        elif key:
            pairs.append((key, value))
    return pairs
