"""`audit --html`: a report that works by itself and runs nothing of strangers."""

from __future__ import annotations

import base64
import json
import random
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.render.parts import PART_KINDS, Part
from tests.cli.browser import Browser
from tests.cli.helpers import Workspace, run
from tests.cli.test_preview_page import HOSTILE, choose, read, write_texts

SHOWN = "[...document.querySelectorAll('tr.task')].map(e => e.id)"
READY = "document.documentElement.dataset.ready"


@pytest.fixture(scope="module")
def page(mixture: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the quickstart mixture, of which one target was emptied."""
    import shutil

    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("report")
    out, file = folder / "out", folder / "report.html"
    shutil.copytree(mixture, out)
    shard = min(out.glob("data/*.parquet"))
    table = pq.read_table(shard)
    records = table.to_pylist()
    place = next(n for n, r in enumerate(records) if r["task_id"] == "quickstart/reviews")
    records[place]["targets"] = ""
    pq.write_table(type(table).from_pylist(records, schema=table.schema), shard)
    done = run("audit", out, "--store", store, "--workers", 0, "--html", file)
    assert done.exit_code == 1, done.output
    return file


def unpacked(file: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines and details of all tasks, as the page's script reads them."""
    text = file.read_text("utf-8")
    packed = dict(re.findall(r'<script type="text/plain" id="([a-z0-9-]+)">([^<]*)</script>', text))
    data = {name: json.loads(zlib.decompress(base64.b64decode(p))) for name, p in packed.items()}
    lines = data.pop("lines")
    return lines, [detail for n in range(len(data)) for detail in data[f"chunk-{n}"]]


def opened(browser: Browser, file: Path, anchor: str = "") -> None:
    """Opens a report and waits until its table is there."""
    browser.open(file, anchor)
    browser.becomes(READY, "yes")


def test_findings_come_first(page: Path) -> None:
    """Before any figure stands what is wrong, errors above notes, each with its remedy."""
    text = page.read_text("utf-8")

    order = [text.index(f'id="{name}"') for name in ("findings", "figures", "tasks")]
    assert order == sorted(order)
    checks = re.findall(r'class="check s-(\w+)".*?<code>([^<]+)</code>', text)
    assert ("error", "text/empty_target") in checks
    ranks = [("error", "warning", "note").index(severity) for severity, _ in checks]
    assert ranks == sorted(ranks)
    assert text.count("What to do:") == len(checks)


def test_each_task_has_its_templates_and_a_record_of_each_variant(page: Path) -> None:
    """Counts of templates add up to the task, and sample records stand with their source rows."""
    lines, details = unpacked(page)

    assert len(lines) == len(details) == 12
    for line, detail in zip(lines, details, strict=True):
        assert sum(found for _, _, found in line["templates"]) == line["found"]
        assert sum(asked for _, asked, _ in line["templates"]) == pytest.approx(
            line["asked"], abs=len(line["templates"]) * 0.051
        )
        variants = [name for name, asked, _ in line["variants"] if asked]
        assert sorted(s["variant"] for s in detail["samples"]) == sorted(variants)
        for sample in detail["samples"]:
            assert sample["apart"]
            assert sample["fields"]
            assert re.fullmatch(r"data/train-\d+-of-\d+\.parquet:\d+", sample["at"])


def test_without_the_row_store_records_are_shown_alone(
    mixture: Path, tmp_path: Path, page: Path
) -> None:
    """Where the store is not at hand, prompt and target are still those of the mixture."""
    file = tmp_path / "report.html"
    options = ["--store", tmp_path / "none", "--workers", 0, "--html", file]
    assert run("audit", mixture, *options).exit_code == 0
    _, details = unpacked(file)
    _, with_rows = unpacked(page)

    for detail, other in zip(details, with_rows, strict=True):
        for sample, same in zip(detail["samples"], other["samples"], strict=True):
            assert not sample["apart"]
            assert sample["fields"] == []
            assert sample["prompt"] == [
                [PART_KINDS.index("query"), "".join(part[1] for part in same["prompt"]), "", 0]
            ]


def test_a_report_of_a_recipe_is_that_of_its_mixture(
    mixture: Path, store: Path, tmp_path: Path
) -> None:
    """Samples are the same whether they are read or rendered."""
    told: list[Any] = []
    for subject in (mixture, "quickstart"):
        file = tmp_path / f"{len(told)}.html"
        options = ["--store", store, "--workers", 0, "--html", file]
        assert run("audit", subject, *options).exit_code == 0
        told.append(unpacked(file))

    assert told[0] == told[1]


def test_equal_audits_give_equal_pages(mixture: Path, store: Path, tmp_path: Path) -> None:
    """No date, no random id: two reports of one mixture can be compared."""
    for name in ("one", "two"):
        options = ["--store", store, "--workers", 0, "--html", tmp_path / name]
        assert run("audit", mixture, *options).exit_code == 0

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_long_texts_lose_their_middle_and_no_part() -> None:
    """What is left out is told; what is shown stands in the record as it is shown."""
    from mixture_builder.audit.report_page.tasks import cut

    parts = [
        Part(kind="exemplar", text="a" * 900, exemplar=1),
        Part(kind="label", text="A:"),
        Part(kind="query", text="b" * 90 + "c"),
    ]

    shown = cut(parts, 300)

    assert [(kind, len(text)) for kind, text, _, _ in shown if kind >= 0] == [
        (PART_KINDS.index("exemplar"), 138),
        (PART_KINDS.index("exemplar"), 69),
        (PART_KINDS.index("label"), 2),
        (PART_KINDS.index("query"), 91),
    ]
    assert [text for kind, text, _, _ in shown if kind < 0] == ["693"]
    assert [text for _, text, _, _ in cut(parts, 5000)] == [part.text for part in parts]


def test_texts_are_cut_until_the_page_is_small_enough() -> None:
    """However long prompts are, details fit their room and every task has its own."""
    from mixture_builder.audit.report_page.records import SampleRecord
    from mixture_builder.audit.report_page.tasks import details
    from mixture_builder.render.parts import whole

    rng = random.Random(0)
    names = [f"tiny/task{n}" for n in range(100)]
    samples = {}
    for name in names:
        text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz ", k=8000))
        record = {"variant": "zs_noopt", "template_id": "t", "style": "", "num_exemplars": 0}
        samples[name] = [
            SampleRecord(
                shard="data/s.parquet",
                row=0,
                record={**record, "row": 1},
                parts=whole(text, "yes"),
                place="",
                fields={},
            )
        ]
    told = {"findings": [], "tasks": {name: {} for name in names}}

    for room, expected in ((2_000_000, 20_000), (200_000, 1_600), (10_000, 0)):
        chunks, longest = details(told, samples, room=room)
        assert longest == expected
        assert sum(map(len, chunks)) <= room
        found = [
            d for chunk in chunks for d in json.loads(zlib.decompress(base64.b64decode(chunk)))
        ]
        assert [len(detail["samples"]) for detail in found] == [1 if longest else 0] * 100


def test_nothing_in_the_page_points_out_of_it(page: Path) -> None:
    """No element names an address: only places in the page itself."""
    elements = read(page).elements

    addresses = [
        value
        for tag, attributes in elements
        for name, value in attributes.items()
        if name in {"src", "href", "action", "data", "xlink:href", "srcset", "style"}
    ]
    assert addresses
    assert all(str(address).startswith("#") for address in addresses)
    assert not [tag for tag, _ in elements if tag in {"link", "img", "iframe", "base"}]


# --- in a browser -----------------------------------------------------------------------


@pytest.mark.slow
def test_in_a_browser_nothing_of_strangers_runs(workspace: Workspace, browser: Browser) -> None:
    """Hostile titles, licences, templates and rows are read letter for letter."""
    write_texts(workspace, HOSTILE)
    out, file = workspace.folder / "out", workspace.folder / "report.html"
    built = run("build", workspace.recipe, *workspace.options, "--out", out, "--workers", 0)
    assert built.exit_code == 0, built.output
    run("audit", out, *workspace.folders, "--workers", 0, "--html", file)

    opened(browser, file, "#tiny/sums")

    browser.becomes("document.querySelectorAll('tr.detail').length", 1)
    assert browser.messages == []
    assert browser.value("document.title").startswith("Audit of ")
    assert browser.value("document.querySelectorAll('main img, main b b').length") == 0
    assert browser.value("document.querySelectorAll('main script').length") == 0
    lines, details = unpacked(file)
    assert lines[0]["title"] == HOSTILE[0]
    assert HOSTILE[0] in browser.value("document.querySelector('.detail').textContent")
    wanted = ["".join(p[1] for p in s["prompt"]) for s in details[0]["samples"]]
    shown = browser.value("[...document.querySelectorAll('.prompt')].map(e => e.textContent)")
    assert shown == wanted


@pytest.mark.slow
def test_in_a_browser_tasks_are_found_and_filtered(page: Path, browser: Browser) -> None:
    """Words, severity, check and part leave what fits; the task in trouble stands first."""
    opened(browser, page)
    assert browser.messages == []
    tasks = browser.value(SHOWN)
    assert len(tasks) == 12
    part = browser.value(
        "[...document.getElementById('quickstart/reviews').closest('tbody')"
        ".querySelectorAll('tr.task')].map(e => e.id)"
    )
    assert part[0] == "quickstart/reviews"

    choose(browser, "#filter", "Classify_command REVIEWS")
    browser.becomes(SHOWN, ["quickstart/reviews"])
    choose(browser, "#filter", "no such word")
    browser.becomes("document.getElementById('count').textContent", "0 of 12 tasks")
    choose(browser, "#filter", "")
    choose(browser, "#level", "0")
    browser.becomes(SHOWN, ["quickstart/reviews"])
    choose(browser, "#level", "")
    choose(browser, "#check", "text/empty_target")
    browser.becomes(SHOWN, ["quickstart/reviews"])
    choose(browser, "#check", "")
    choose(browser, "#part", "text.translation")
    browser.becomes(f"{SHOWN}.length", 1)


@pytest.mark.slow
def test_in_a_browser_a_finding_leads_to_its_task(page: Path, browser: Browser) -> None:
    """A link of a finding opens the task, even if a filter had hidden it."""
    opened(browser, page)
    choose(browser, "#filter", "no such word")
    browser.becomes(f"{SHOWN}.length", 0)

    browser.value("document.querySelector('.check a[href=\"#quickstart/reviews\"]').click()")

    browser.becomes("document.querySelector('tr.detail')?.previousSibling.id", "quickstart/reviews")
    assert "text/empty_target" in browser.value("document.querySelector('.detail').textContent")


@pytest.mark.slow
def test_in_a_browser_keys_are_enough(page: Path, browser: Browser) -> None:
    """`/` goes to the filter, `j` and `k` to tasks, Enter opens and closes; keys can be off."""
    opened(browser, page)
    tasks = browser.value(SHOWN)
    focused = "document.activeElement.closest('tr.task')?.id"

    browser.press("/")
    assert browser.value("document.activeElement.id") == "filter"
    browser.press("j")
    assert browser.value("document.activeElement.value") == "j"
    browser.press("Escape")
    browser.value("document.activeElement.blur()")
    for key in "jjk":
        browser.press(key)
    browser.becomes(focused, tasks[0])
    browser.press("Enter")
    browser.becomes("document.querySelector('tr.detail')?.previousSibling.id", tasks[0])
    browser.press("Enter")
    browser.becomes("document.querySelectorAll('tr.detail').length", 0)
    choose(browser, "#keys", "off")
    browser.press("j")
    assert browser.value(focused) == tasks[0]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "darker"), [("light", "text"), ("dark", "ground")])
def test_in_a_browser_the_page_follows_the_users_scheme(
    page: Path, browser: Browser, scheme: str, darker: str
) -> None:
    """Texts of the page and of its plots are dark on light, or the other way round."""
    browser.scheme(scheme)
    opened(browser, page)

    found = browser.value(
        "(s => [s(document.body).color, s(document.querySelector('.plot text.fill-ink')).fill,"
        " s(document.body).backgroundColor])(getComputedStyle)"
    )
    sums = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found]
    *texts, ground = sums
    assert all((text < ground) == (darker == "text") for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 800, 1300, 1900])
def test_in_a_browser_rates_are_seen_without_scrolling(
    page: Path, browser: Browser, width: int
) -> None:
    """The table of rates is no wider than its place, and the page no wider than the window."""
    browser.width(width)
    opened(browser, page)
    wider = browser.value(
        "[document.documentElement, document.querySelector('.b-rates .scroll')]"
        ".map(e => e.scrollWidth - e.clientWidth)"
    )
    browser.width(1400)

    assert wider == [0, 0]


def test_in_a_browser_answers_stand_beside_those_of_the_rows(page: Path, browser: Browser) -> None:
    """An opened task with labels has a table of them."""
    opened(browser, page, "#quickstart/reviews")
    heads = "[...document.querySelectorAll('.detail h4')].map(e => e.textContent)"
    browser.becomes(f"{heads}.includes('Answers')", expected=True)

    assert not browser.messages


def test_in_a_browser_nothing_is_asked_of_a_network(page: Path, browser: Browser) -> None:
    """Neither opening the page nor a task fetches anything."""
    opened(browser, page, "#quickstart/reviews")

    browser.becomes("document.querySelectorAll('tr.detail').length", 1)
    assert browser.value("performance.getEntriesByType('resource').map(e => e.name)") == []
    assert browser.messages == []
