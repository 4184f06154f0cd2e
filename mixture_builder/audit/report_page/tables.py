"""Findings and figures of a mixture, as markup in which every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from mixture_builder.audit.checks import CHECKS
from mixture_builder.audit.report_page.figures import lengths_figure, shots_figure
from mixture_builder.findings import Severity

LISTED = 25
"""Findings of one check that are listed; the filter of the task table has all of them."""


def findings(told: Mapping[str, Any]) -> str:
    """All checks that found something, worst first, with their findings."""
    by_check: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for finding in told["findings"]:
        by_check.setdefault((finding["severity"], finding["check"]), []).append(finding)
    heading = '<h2 id="findings">Findings</h2>'
    if not by_check:
        return f"<section>{heading}<p>No check found anything.</p></section>\n"
    boxes = "".join(_check(severity, check, found) for (severity, check), found in by_check.items())
    missing = [s.value for s in Severity if not told["counts"][s.value]]
    none = (
        f'<p class="quiet">None found: {", ".join(f"{s}s" for s in missing)}.</p>'
        if missing
        else ""
    )
    return f"<section>{heading}{none}{boxes}</section>\n"


def _check(severity: str, id_: str, found: Sequence[Mapping[str, Any]]) -> str:
    check = CHECKS.get(id_)
    about = f"<p>{escape(check.finds)} {escape(check.decides)}</p>" if check else ""
    remedy = f"<p><b>What to do:</b> {escape(found[0]['remedy'])}</p>"
    tasks = {finding["task"] for finding in found if finding["task"]}
    where = f"{len(tasks):,} task{'s' if len(tasks) != 1 else ''}" if tasks else "the mixture"
    rows = "".join(_finding(finding) for finding in found[:LISTED])
    more = ""
    if len(tasks) > 1:
        more = (
            f'<p><button type="button" class="pick" data-check="{escape(id_)}">Show the '
            f"{len(tasks):,} tasks in the table</button></p>"
        )
    rest = len(found) - LISTED
    if rest > 0:
        rows += f'<tr><td colspan="3" class="quiet">and {rest:,} more</td></tr>'
    opened = " open" if severity == "error" else ""
    summary = escape(_summary(found))
    return (
        f'<details class="check s-{escape(severity)}"{opened}><summary>'
        f'<span class="severity">{escape(severity)}</span> <code>{escape(id_)}</code> '
        f'<span class="what">{summary}</span> <span class="quiet where">{where}</span></summary>'
        f'<div class="inside">{about}{remedy}<table class="list"><thead><tr><th>task</th>'
        f"<th>finding</th><th>record</th></tr></thead><tbody>{rows}</tbody></table>{more}</div>"
        "</details>\n"
    )


def _summary(found: Sequence[Mapping[str, Any]]) -> str:
    if len(found) == 1:
        message: str = found[0]["message"]
        return message
    check = CHECKS.get(found[0]["check"])
    return check.finds if check else f"{len(found):,} findings"


def _finding(finding: Mapping[str, Any]) -> str:
    task = finding["task"]
    link = task_link(task) if task else '<span class="quiet">mixture</span>'
    first = finding["evidence"][:1]
    where = f"{first[0]['shard']}:{first[0]['row']}" if first else ""
    return (
        f"<tr><td>{link}</td><td>{escape(finding['message'])}</td>"
        f'<td class="quiet"><code>{escape(where)}</code></td></tr>'
    )


def task_link(task: str) -> str:
    """A link that opens a task in the table."""
    return f'<a href="#{escape(task)}"><code>{escape(task)}</code></a>'


def figures(told: Mapping[str, Any]) -> str:
    """Rates, variants, exemplars, lengths, licences and styles."""
    coverage = told["coverage"]
    blocks = [
        ("Rates", "examples by part of the recipe, asked and realised", _parts(told)),
        ("Variants", "examples, asked and realised", _asked_found(coverage["variants"])),
        (
            "Exemplars",
            "few-shot prompts by their number of exemplars, asked and found",
            _plot(shots_figure(coverage["shots"]), _shots_text(coverage["shots"])),
        ),
        (
            "Lengths",
            "texts by their length; bins double",
            _plot(lengths_figure(told["lengths"]), "") + _lengths(told["lengths"]),
        ),
        ("Licences", "of the data, as the task cards have them", _licences(told)),
        ("Styles", "drawn styles against chance", _styles(told["styles"])),
    ]
    inside = "".join(
        f'<div class="block b-{name.lower()}"><h3>{name}</h3><p class="quiet">{about}</p>'
        f"{markup}</div>"
        for name, about, markup in blocks
        if markup
    )
    return f'<section><h2 id="figures">Figures</h2><div class="blocks">{inside}</div></section>\n'


def _plot(svg: str, text: str) -> str:
    if not svg:
        return ""
    key = (
        '<p class="key"><span class="k-asked"></span> asked <span class="k-found"></span> found</p>'
    )
    label = f' role="img" aria-label="{escape(text)}"' if text else ""
    return (key if text else "") + f'<div class="plot" tabindex="0"{label}>{svg}</div>'


def _shots_text(shots: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{part}: " + ", ".join(f"{n} exemplars {count:,}" for n, count in facts["found"].items())
        for part, facts in shots.items()
    )


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int = 1,
    numbers: Sequence[int] = (),
) -> str:
    """A table of cells that are markup.

    Args:
      heads: of the columns.
      rows: cells.
      texts: so many columns from the left are texts, the others numbers.
      numbers: columns that are numbers, where these are not all that follow.
    """
    right = set(numbers or range(texts, len(heads)))

    def line(tag: str, cells: Sequence[str]) -> str:
        of = {True: f'<{tag} class="n">', False: f"<{tag}>"}
        made = (f"{of[place in right]}{cell}</{tag}>" for place, cell in enumerate(cells))
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<div class="scroll"><table><thead>{line("th", heads)}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def bar(found: float, most: float, asked: float | None = None) -> str:
    """A bar on a scale to `most`, with a mark where it was asked to end."""
    scale = 100 / most if most else 0.0
    mark = ""
    if asked is not None:
        at = min(99.2, asked * scale)
        mark = f'<rect class="fill-ink" x="{at:.2f}" width="0.8" height="10"></rect>'
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="fill-found" y="2" width="{found * scale:.2f}" height="6"></rect>{mark}</svg>'
    )


def _parts(told: Mapping[str, Any]) -> str:
    parts = told["coverage"]["parts"]
    all_asked = max(1, sum(p["asked"] for p in parts.values()))
    all_found = max(1, sum(p["found"] for p in parts.values()))
    most = max(
        (p[k] / t for p in parts.values() for k, t in (("asked", all_asked), ("found", all_found))),
        default=0,
    )
    rows = [
        [
            f"<code>{escape(name)}</code>",
            bar(p["found"] / all_found, most, p["asked"] / all_asked),
            f"{p['tasks']:,}",
            f"{p['asked']:,}",
            f"{p['found']:,}",
            _difference(p["found"] - p["asked"]),
            f"{100 * p['asked'] / all_asked:.2f}",
            f"{100 * p['found'] / all_found:.2f}",
        ]
        for name, p in parts.items()
    ]
    heads = ["part", "", "tasks", "asked", "found", "±", "% asked", "% found"]
    return table(heads, rows, texts=2)


def _difference(value: int) -> str:
    return f"{value:+,}".replace("-", "\u2212") if value else "0"


def _asked_found(counts: Mapping[str, Mapping[str, int]]) -> str:
    most = max((n for c in counts.values() for n in c.values()), default=0)
    rows = [
        [
            f"<code>{escape(name)}</code>",
            bar(c["found"], most, c["asked"]),
            f"{c['asked']:,}",
            f"{c['found']:,}",
            _difference(c["found"] - c["asked"]),
        ]
        for name, c in counts.items()
    ]
    return table(["variant", "", "asked", "found", "±"], rows, texts=2)


def _lengths(lengths: Mapping[str, Mapping[str, Any]]) -> str:
    keys = ("mean", "min", "p5", "p50", "p95", "p99", "max")
    names = {"input": "prompts", "target": "targets", "chars": "characters", "tokens": "tokens"}
    rows = []
    for measure, facts in lengths.items():
        what, _, unit = measure.partition("_")
        rows.append(
            [f"{names.get(what, escape(what))}, {names.get(unit, escape(unit))}"]
            + [f"{facts[key]:,.0f}" for key in keys]
        )
    return table(["", "mean", "min", "5 %", "median", "95 %", "99 %", "max"], rows)


def _licences(told: Mapping[str, Any]) -> str:
    lines = sorted(told["licences"]["table"].items(), key=lambda item: -item[1]["examples"])
    most = max((line["examples"] for _, line in lines), default=0)
    whole = max(1, sum(line["examples"] for _, line in lines))
    rows = [
        [
            f"<code>{escape(id_)}</code>",
            bar(line["examples"], most),
            f"{line['tasks']:,}",
            f"{line['rows']:,}",
            f"{line['examples']:,}",
            f"{100 * line['examples'] / whole:.1f}",
        ]
        for id_, line in lines
    ]
    return table(["licence", "", "tasks", "rows", "examples", "%"], rows, texts=2)


def _styles(styles: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for pool, facts in styles.items():
        counts = {name: n for name, n in facts["counts"].items() if n}
        if not counts:
            continue
        low, high = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        p = [test["p_corrected"] for test in facts["tests"]]
        rows.append(
            [
                escape(pool),
                f"{len(counts):,}",
                f"{min(p):.2g}" if p else "",
                f"{counts[low]:,}",
                f"<code>{escape(low)}</code>",
                f"{counts[high]:,}",
                f"<code>{escape(high)}</code>",
            ]
        )
    heads = ["pool", "styles", "least p", "rarest", "", "most frequent", ""]
    return table(heads, rows, numbers=(1, 2, 3, 5)) if rows else ""
