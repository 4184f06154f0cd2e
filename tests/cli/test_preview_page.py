"""`preview --html`: a page of templates that works by itself and runs nothing of strangers."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mixture_builder.render.parts import PART_KINDS
from tests.cli.browser import Browser
from tests.cli.helpers import PLAIN, Workspace, call, run

HOSTILE = [
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--<script>\u2028\u2029-->&lt;b&gt; &amp;",
    "\"'`${document.title='owned'}\\u003c\\n",
    "]]><svg/onload=document.title='owned'>",
    "مرحبا بالعالم. Hello (1) 東京\ttab",
]


@pytest.fixture(scope="module")
def page(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of all tasks of the quickstart recipe, three of its stored rows each."""
    file = tmp_path_factory.mktemp("page") / "page.html"
    done = run("preview", "quickstart", "--task", "quickstart", "--store", store, "--html", file)
    assert done.exit_code == 0, done.output
    return file


class _Data(HTMLParser):
    """Collects the JSON of a page, and its elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, Any] = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        is_json = tag == "script" and dict(attrs).get("type") == "application/json"
        self._open = str(dict(attrs)["id"]) if is_json else ""

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.data[self._open] = json.loads(self.data.get(self._open, "") or data)


def read(file: Path) -> _Data:
    found = _Data()
    found.feed(file.read_text(encoding="utf-8"))
    found.close()
    return found


def text_of(task: dict[str, Any], numbers: list[int]) -> str:
    return "".join(task["texts"][number] for number in numbers[1::4])


def write_texts(workspace: Workspace, texts: list[str]) -> None:
    """A card and templates that hold some texts wherever a stranger can write one."""
    workspace.task(
        "sums",
        None,
        sample=[{"question": text, "answer": text[::-1] + "."} for text in texts],
        title=texts[0],
        description=texts[1],
        notes=texts[2],
        licence={"id": texts[1], "read_at": "javascript:alert(1)"},
    )
    said = {"id": "said", "input": f"{texts[0]} {{{{ question }}}}", "target": "{{ answer }}"}
    workspace.template_file("tiny/questions", [PLAIN, said])


def test_a_page_shows_every_template_in_every_variant_it_serves(page: Path) -> None:
    """Each task has its facts, rows and templates, with each row said in each variant."""
    found = read(page)

    tasks = {task["id"]: task for key, task in found.data.items() if key != "about"}
    assert len(tasks) == 12
    for task in tasks.values():
        assert {"licence", "size", "source", "kind"} <= {name for name, _ in task["facts"]}
        assert len(task["rows"]) == 3
    reviews = {t["id"]: t for t in tasks["quickstart/reviews"]["templates"]}
    cells = [(e["variant"], e["row"]) for e in reviews["positive_or_negative"]["examples"]]
    assert cells == [
        (variant, row)
        for variant in ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt")
        for row in range(3)
    ]
    assert all(
        bool(e["shots"]) == e["variant"].startswith("fs_")
        for e in reviews["positive_or_negative"]["examples"]
    )
    assert {t["direction"] for t in reviews.values()} == {"direct", "inverted"}


def test_prompts_in_the_page_are_those_of_the_terminal(page: Path, store: Path) -> None:
    """The page and `preview --row` say the same of a row."""
    done = run(
        *["preview", "quickstart", "--task", "quickstart/sums", "--store", store],
        *["--row", 0, "--variant", "zs_noopt", "--json"],
    )
    shown = {e["template"]: e["inputs"] for e in json.loads(done.stdout)["examples"]}
    tasks = read(page).data.values()
    sums = next(task for task in tasks if task.get("id") == "quickstart/sums")

    for template in sums["templates"]:
        first = template["examples"][0]
        assert (first["variant"], first["row"]) == ("zs_noopt", 0)
        assert text_of(sums, first["prompt"]) == shown[template["id"]]


def test_a_page_needs_nothing_but_itself(page: Path) -> None:
    """It names no other file and no address that a browser would load from."""
    found = read(page)

    for tag, attributes in found.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not {"src", "srcset", "style"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#") is not None
        assert str(attributes.get("href", "#")).startswith("#")
    assert "@import" not in page.read_text(encoding="utf-8")
    assert "url(" not in page.read_text(encoding="utf-8")


def test_strangers_texts_stand_in_a_page_as_text_only(workspace: Workspace) -> None:
    """Markup in rows, cards and templates adds no element and ends none."""
    plain, hostile = workspace.folder / "plain.html", workspace.folder / "hostile.html"
    arguments = ["preview", workspace.recipe, "--task", "tiny/sums", *workspace.options]
    write_texts(workspace, [f"harmless {n}" for n in range(len(HOSTILE))])
    run(*arguments, "--html", plain, "-n", 6)
    write_texts(workspace, HOSTILE)

    done = run(*arguments, "--html", hostile, "-n", 6)

    assert done.exit_code == 0, done.output
    assert [tag for tag, _ in read(hostile).elements] == [tag for tag, _ in read(plain).elements]
    task = read(hostile).data["data-0"]
    assert task["description"] == HOSTILE[1]
    shown = [text_of(task, e["prompt"]) for e in task["templates"][0]["examples"]]
    assert set(HOSTILE) <= set(shown)


def test_a_task_that_cannot_be_shown_is_left_out_and_named(workspace: Workspace) -> None:
    """The page shows the others; exit code 3, stderr and the page name it."""
    workspace.task("broken", None, sample=[{"query": "x", "answer": "y"}])
    file = workspace.folder / "page.html"

    done = run(
        *["preview", workspace.recipe, "--task", "tiny/*", *workspace.options, "--html", file]
    )

    assert done.exit_code == 3
    assert "left out: tiny/broken" in done.stderr
    assert "Not shown" in file.read_text(encoding="utf-8")
    assert [t["id"] for k, t in read(file).data.items() if k != "about"] == ["tiny/sums"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("quickstart/sums", ["quickstart/sums"]),
        ("quickstart/s*", ["science_choice", "summaries", "sums"]),
        ("text.translation", ["arabic_english"]),
        ("reasoning", ["everyday_why", "rates_and_time", "sums"]),
        ("cot/gsm8k", ["cot/gsm8k"]),
    ],
)
def test_tasks_are_named_by_id_glob_or_part(
    tmp_path: Path, wanted: str, expected: list[str]
) -> None:
    """A page is of one task, a glob, a part of the recipe, or tasks that the recipe leaves out."""
    file = tmp_path / "page.html"

    done = run(
        *["preview", "quickstart", "--task", wanted, "--html", file, "--store", tmp_path],
        *["-n", 1, "--json"],
    )

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["tasks"] == len(expected)
    shown = [task for key, task in read(file).data.items() if key != "about"]
    assert [task["id"].removeprefix("quickstart/") for task in shown] == [
        name.removeprefix("quickstart/") for name in expected
    ]
    place = dict(shown[0]["facts"])["recipe"]
    assert place.startswith("does not name" if wanted == "cot/gsm8k" else "part ")


def test_a_name_that_finds_nothing_is_wrong_usage(tmp_path: Path) -> None:
    """No page is written, and the nearest name is shown."""
    file = tmp_path / "page.html"

    done = run("preview", "quickstart", "--task", "quikstart", "--html", file)

    assert done.exit_code == 2
    assert "Did you mean 'quickstart'?" in done.stderr
    assert not file.exists()


def test_a_page_can_be_of_one_template_and_variant(tmp_path: Path) -> None:
    """--template, --variant and --row say what of each task is on the page."""
    file = tmp_path / "page.html"

    run(
        *["preview", "quickstart", "--task", "quickstart/reviews", "--store", tmp_path],
        *["--template", "classify_command", "--variant", "fs_opt", "--row", 1, "--html", file],
    )

    task = read(file).data["data-0"]
    assert [t["id"] for t in task["templates"]] == ["classify_command"]
    assert [e["variant"] for e in task["templates"][0]["examples"]] == ["fs_opt"]
    assert [row["name"] for row in task["rows"]] == ["sample[1]"]


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_enough_contrast(page: Path) -> None:
    """Text of every kind stands out 4.5 to 1 at least (WCAG 2.2, level AA), light and dark."""
    style = page.read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    schemes = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", scheme))
        pairs = [(k.replace("_", "-") + "-text", k.replace("_", "-")) for k in PART_KINDS]
        pairs += [
            (text, ground) for text in ("text", "quiet", "link") for ground in ("page", "raised")
        ]
        pairs.append(("warning-text", "warning"))
        for text, ground in pairs:
            light, dark = sorted(
                (_luminance(colours[text]), _luminance(colours[ground])), reverse=True
            )
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


# --- in a browser -----------------------------------------------------------------------

SHOWN = "[...document.querySelectorAll('.task')].filter(t => !t.hidden).map(t => t.id)"
VISIBLE = "[...document.querySelectorAll('.example')].filter(e => e.checkVisibility())"


def seen(name: str) -> str:
    """The values of a data attribute among the examples that can be seen."""
    return f"[...new Set({VISIBLE}.map(e => e.dataset.{name}))].sort()"


def choose(browser: Browser, element: str, value: str) -> None:
    """Gives a field of the page a value, as a user would."""
    browser.value(
        f"(() => {{ const e = document.querySelector({element!r});"
        f" if (e.type === 'checkbox') e.checked = {json.dumps(value == 'on')};"
        f" else e.value = {json.dumps(value)};"
        " for (const name of ['input', 'change'])"
        " e.dispatchEvent(new Event(name, {bubbles: true})); })()"
    )


@pytest.mark.slow
def test_in_a_browser_nothing_of_strangers_runs(workspace: Workspace, browser: Browser) -> None:
    """Hostile rows are read letter for letter, add no element and change no title."""
    write_texts(workspace, HOSTILE)
    file = workspace.folder / "page.html"
    call(
        *["preview", workspace.recipe, "--task", "tiny/sums", *workspace.options],
        *["--html", file, "-n", 6],
    )

    browser.open(file)

    assert browser.messages == []
    assert browser.value("document.title") == "Templates of tiny/sums"
    assert browser.value("document.querySelectorAll('main img, main svg, main b').length") == 0
    assert browser.value("document.querySelectorAll('main script:not([type])').length") == 0
    task = read(file).data["data-0"]
    examples = [e for template in task["templates"] for e in template["examples"]]
    for kind in ("prompt", "target"):
        shown = browser.value(
            f"[...document.querySelectorAll('.text.{kind}')].map(e => e.textContent)"
        )
        assert shown == [text_of(task, e[kind]) for e in examples]


@pytest.mark.slow
def test_in_a_browser_the_policy_refuses_what_is_not_the_pages(
    workspace: Workspace, browser: Browser
) -> None:
    """Even if markup got in, its script would not run."""
    file = workspace.folder / "page.html"
    run("preview", workspace.recipe, "--task", "tiny/sums", *workspace.options, "--html", file)
    browser.open(file)

    browser.value(
        "(() => { window.refused = []; document.addEventListener('securitypolicyviolation',"
        " event => refused.push(event.effectiveDirective)); })()"
    )
    browser.value(
        "document.body.insertAdjacentHTML('beforeend',"
        ' \'<img src="data:," onerror="document.title=1">\')'
    )
    browser.value(
        "(() => { const s = document.createElement('script');"
        " s.textContent = 'document.title = 1'; document.body.append(s); })()"
    )
    # An attribute is refused when it is to be run: of an image, when it was not loaded.
    browser.becomes(
        "['script-src-attr', 'script-src-elem'].every(rule => refused.includes(rule))", True
    )
    assert sum("Content Security Policy" in message for message in browser.messages) >= 2
    assert browser.value("document.title") == "Templates of tiny/sums"


@pytest.mark.slow
def test_in_a_browser_tasks_are_found_and_filtered(page: Path, browser: Browser) -> None:
    """Words, variant and direction leave what fits; a task is built when it is opened."""
    browser.open(page)
    assert browser.messages == []
    assert len(browser.value(SHOWN)) == 12
    assert browser.value("document.querySelectorAll('.template').length") == 0

    choose(browser, "#filter", "Classify_command reviews")
    browser.becomes(SHOWN, ["quickstart/reviews"])
    choose(browser, "#filter", "")
    for variant in ("zs_noopt", "fs_noopt"):
        choose(browser, f"[name=variant][value={variant}]", "off")
    closed = ["entailment", "everyday_why", "japanese_topics", "reviews", "science_choice"]
    browser.becomes(SHOWN, [f"quickstart/{name}" for name in closed])

    browser.value("document.querySelector('#open').click()")
    browser.becomes("document.querySelectorAll('.task[open]').length", 5)
    browser.becomes(seen("variant"), ["fs_opt", "zs_opt"])
    browser.becomes(seen("row"), ["0"])
    choose(browser, "#rows", "")
    browser.becomes(seen("row"), ["0", "1", "2"])
    # Inverted templates show the answer, so none of them lists options.
    choose(browser, "#direction", "inverted")
    browser.becomes(SHOWN, [])
    choose(browser, "[name=variant][value=zs_noopt]", "on")
    browser.becomes(seen("variant"), ["zs_noopt"])
    shown = "[...document.querySelectorAll('.template')].filter(e => e.checkVisibility())"
    assert browser.value(f"[...new Set({shown}.map(e => e.dataset.direction))]") == ["inverted"]


@pytest.mark.slow
def test_in_a_browser_an_anchor_opens_its_task_and_template(page: Path, browser: Browser) -> None:
    """A link to a template can be sent to somebody: it opens there."""
    browser.open(page, "#quickstart/reviews/classify_command")

    assert browser.value("document.querySelector('.task[open]').id") == "quickstart/reviews"
    box = "document.getElementById('%s').getBoundingClientRect()"
    top = f"{box % 'quickstart/reviews/classify_command'}.top"
    below = f"{box % 'filters'}.bottom"
    # On a busy machine the page is laid out a moment after it is there.
    browser.becomes(f"{below} <= {top} && {top} < {below} + 200", True)


@pytest.mark.slow
def test_in_a_browser_keys_are_enough(page: Path, browser: Browser) -> None:
    """`/` goes to the filter, `j` and `k` to tasks, Enter opens; keys can be turned off."""
    browser.open(page)

    browser.press("/")
    assert browser.value("document.activeElement.id") == "filter"
    browser.press("j")
    assert browser.value("document.activeElement.value") == "j"
    browser.press("Escape")
    browser.value("document.activeElement.blur()")
    for key in "jjk":
        browser.press(key)
    focused = "document.activeElement.closest('.task').id"
    assert browser.value(focused) == "quickstart/arabic_english"
    browser.press("Enter")
    browser.becomes("document.querySelector('.task[open]')?.id", "quickstart/arabic_english")
    choose(browser, "#keys", "off")
    browser.press("j")
    assert browser.value(focused) == "quickstart/arabic_english"


@pytest.mark.slow
def test_in_a_browser_lines_run_in_the_direction_of_their_script(
    page: Path, browser: Browser
) -> None:
    """Arabic lines begin at the right; an Arabic value in an English line has its own direction."""
    browser.open(page, "#quickstart/arabic_english")

    lines = browser.value(
        "[...document.querySelectorAll('.prompt .line')].map(e => [e.dir, e.textContent])"
    )
    for direction, text in lines:
        letter = next((c for c in text if c.isalpha()), "a")
        assert direction == ("rtl" if "\u0600" <= letter <= "\u06ff" else "ltr"), text
    assert {direction for direction, _ in lines} == {"ltr", "rtl"}
    values = browser.value(
        "[...document.querySelectorAll('.line[dir=ltr] .field[dir=rtl]')].length"
    )
    assert values > 0


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "darker"), [("light", "text"), ("dark", "ground")])
def test_in_a_browser_the_page_follows_the_users_scheme(
    page: Path, browser: Browser, scheme: str, darker: str
) -> None:
    """Dark text on light ground, or the other way round, as the user's system asks."""
    browser.scheme(scheme)
    browser.open(page)

    found = browser.value("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    text, ground = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found)
    assert (text < ground) == (darker == "text")


@pytest.mark.slow
def test_in_a_browser_what_is_copied_is_the_prompt(page: Path, browser: Browser) -> None:
    """Names of parts and signs for line ends that the page draws are not copied."""
    browser.open(page, "#quickstart/reviews")
    choose(browser, "#names", "on")
    choose(browser, "#ends", "on")

    copied = browser.value(
        "(() => {"
        " const box = document.querySelector('.example[data-variant=fs_opt] .prompt');"
        " getSelection().selectAllChildren(box);"
        " const data = new DataTransfer();"
        " const event = new ClipboardEvent('copy', {clipboardData: data, bubbles: true});"
        " box.dispatchEvent(event);"
        " return [data.getData('text/plain'), box.textContent]; })()"
    )

    assert copied[0] == copied[1]
    assert "\n" in copied[0]
