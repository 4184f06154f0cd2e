"""A plot of time against size, as SVG: a drawing library for one plot would be too much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, BOTTOM, RIGHT, TOP = 640, 360, 60, 48, 140, 20
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed")


def size_plot(sizes: Mapping[str, Mapping[int, float]]) -> str:
    """Wall seconds against examples, both logarithmic, a line for each workload.

    Args:
      sizes: seconds by examples, by workload; at least one point.
    """
    points = [(x, y) for line in sizes.values() for x, y in line.items()]
    low_x, high_x = (f(math.log10(x) for x, _ in points) for f in (min, max))
    low_y = math.floor(min(math.log10(y) for _, y in points))
    high_y = math.ceil(max(math.log10(y) for _, y in points))

    def across(examples: float) -> float:
        share = (math.log10(examples) - low_x) / max(high_x - low_x, 1e-9)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def up(seconds: float) -> float:
        share = (math.log10(seconds) - low_y) / max(high_y - low_y, 1e-9)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        '<g font-family="sans-serif" font-size="12">',
        "<title>Seconds of a build against the number of examples</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for exponent in range(low_y, high_y + 1):
        y = up(10.0**exponent)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**exponent:g} s</text>'
        )
    for examples in sorted({x for x, _ in points}):
        x = across(examples)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{examples:,}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">examples'
        "</text>"
    )
    for (name, line), colour in zip(sizes.items(), COLOURS, strict=False):
        places = [(across(x), up(y)) for x, y in sorted(line.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</g>", "</svg>", ""])
