"""The whole page of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mixture_builder.audit.context import AuditContext
from mixture_builder.audit.report_page import tables
from mixture_builder.audit.report_page.records import SampleRecord, sample_records
from mixture_builder.audit.report_page.tasks import CHUNK, PAGE_BYTES, details, overview, pack
from mixture_builder.jobs.inspect.html import (
    KIND_NAMES,
    inert_json,
    page_head,
    page_script,
    page_style,
)
from mixture_builder.render.parts import PART_KINDS
from mixture_builder.version import __version__


def report_page(told: Mapping[str, Any], context: AuditContext) -> str:
    """The page of an audit.

    Args:
      told: its document.
      context: of the audit; samples are read from its shards, or rendered from its row store.

    Raises:
      VerifyError: if a shard is damaged.
    """
    return page(told, overview(told, context), sample_records(told, context))


def page(
    told: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sequence[SampleRecord]],
) -> str:
    """The page of a document, figures of its tasks, and samples."""
    style = page_style(Path(__file__).with_suffix(".css"))
    script = page_script(Path(__file__).with_suffix(".js"))
    title = f"Audit of {told['mixture']['name']}"
    head = page_head(title, style=style, script=script)
    body = _header(told, title) + tables.findings(told) + tables.figures(told) + _tasks(lines)
    packed = pack(lines)
    about = {
        "kinds": list(PART_KINDS),
        "names": [KIND_NAMES[kind][0] for kind in PART_KINDS],
        "chunk": CHUNK,
    }
    ending = f"<script>{script}</script>\n</body>\n</html>\n"
    used = sum(len(text.encode()) for text in (head, body, ending)) + len(packed)
    chunks, longest = details(told, samples, room=PAGE_BYTES - used)
    first = inert_json({**about, "longest": longest})
    data = [
        f'<script type="application/json" id="about">{first}</script>\n',
        f'<script type="text/plain" id="lines">{packed}</script>\n',
    ]
    data += [
        f'<script type="text/plain" id="chunk-{number}">{chunk}</script>\n'
        for number, chunk in enumerate(chunks)
    ]
    return head + body + "".join(data) + ending


def _header(told: Mapping[str, Any], title: str) -> str:
    mixture, counts = told["mixture"], told["counts"]
    verdict = "".join(
        f'<li class="{f"s-{level}" if number else "none"}"><b>{number:,}</b> '
        f"{level}{'s' if number != 1 else ''}</li>"
        for level, number in counts.items()
    )
    templates = told["coverage"]["templates"]
    facts = [
        f"{told['examples']:,} examples",
        f"{len(told['tasks']):,} tasks",
        f"{templates['found']:,} of {templates['asked']:,} templates used",
        f"seed {mixture['seed']}",
        "read from its shards" if mixture["built"] else "rendered for the audit, not built",
    ]
    digest = mixture["content_digest"] or mixture["fingerprint"]
    return f"""<header>
<h1>{escape(title)}</h1>
<p>{escape(" · ".join(facts))}</p>
<p class="quiet">{"content" if mixture["content_digest"] else "fingerprint"} \
<code>{escape(str(digest))}</code> · mixture-builder {escape(__version__)}</p>
<ul class="verdict" aria-label="Findings by severity">{verdict}</ul>
<nav aria-label="Page"><a href="#findings">Findings</a> <a href="#figures">Figures</a> \
<a href="#tasks">Tasks</a></nav>
</header>
<main>
"""


def _tasks(lines: Sequence[Mapping[str, Any]]) -> str:
    parts = dict.fromkeys(sorted(str(line["part"]) for line in lines))
    licences = dict.fromkeys(sorted(str(line["licence"]) for line in lines))
    checks = dict.fromkeys(sorted(check for line in lines for check, _ in line["checks"]))

    def choice(id_: str, label: str, every: str, values: Mapping[str, Any]) -> str:
        options = "".join(f"<option>{escape(value)}</option>" for value in values)
        return (
            f'<label>{label} <select id="{id_}"><option value="">{every}</option>{options}'
            "</select></label>\n"
        )

    return f"""<section><h2 id="tasks">Tasks</h2>
<noscript><p class="warning">The table of tasks is put together by a script in this page; without \
scripts only findings and figures are shown.</p></noscript>
<form id="filters" role="search" aria-label="Filter tasks">
<label class="wide">Filter <input type="search" id="filter" autocomplete="off" spellcheck="false" \
placeholder="words of task, title, template, language"></label>
<label>Show <select id="level"><option value="">all tasks</option>\
<option value="2">with findings</option><option value="1">with warnings or errors</option>\
<option value="0">with errors</option><option value="coverage">templates not as asked</option>\
</select></label>
{choice("check", "Check", "any", checks)}{choice("part", "Part", "all", parts)}\
{choice("licence", "Licence", "any", licences)}\
<label>Sort <select id="sort"><option value="trouble">by trouble</option>\
<option value="name">by name</option><option value="found">by examples</option>\
<option value="chars">by length of prompts</option></select></label>
<label><input type="checkbox" id="keys" checked> keys (<kbd>/</kbd> filter, <kbd>j</kbd> \
<kbd>k</kbd> next, previous task, <kbd>Enter</kbd> open)</label>
<output id="count" aria-live="polite"></output>
</form>
<p class="key">One box for each template, in the order of its file: \
<span class="t t0"></span> not used <span class="t t1"></span> under half of what was asked \
<span class="t t2"></span> less <span class="t t3"></span> as asked \
<span class="t t4"></span> more <span class="t t5"></span> not asked for. \
Lengths are medians, in characters; exemplars are means of few-shot prompts.</p>
<div class="scroll" id="map"></div></section>
</main>
"""
