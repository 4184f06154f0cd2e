"""`contamination`: what is held out is found in the rows, and what is not is not."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.audit.rows.held_out import HeldOutItem, build_index
from mixture_builder.audit.rows.words import words_of
from mixture_builder.card_files import load_cards, load_held_out_cards
from mixture_builder.shipped import cards_folder
from tests.cli.helpers import PLAIN, Workspace, run

WORDS = [
    "".join(random.Random(n).choices(string.ascii_lowercase, k=4 + n % 6)) for n in range(4_000)
]


def sentence(seed: int, words: int) -> str:
    """A text of made-up words, the same for a seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=words))


ROWS = [{"question": sentence(n, 14 + n % 30), "answer": f"a{n}"} for n in range(400)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One task of 400 rows of 14 to 43 words, in the store."""
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    made.task("sums", ROWS)
    made.write_recipe()
    run("ingest", made.recipe, *made.options, "--workers", 0)
    return made


def items(workspace: Workspace, texts: list[Any], name: str = "held.jsonl") -> Path:
    """A file of held-out items."""
    path = workspace.folder / name
    path.write_text("".join(json.dumps({"question": t}) + "\n" for t in texts), encoding="utf-8")
    return path


def report(workspace: Workspace, *options: object) -> dict[str, Any]:
    done = run("contamination", workspace.recipe, *workspace.options, "--json", *options)
    assert done.stdout, done.output
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def changed(text: str, seed: int) -> str:
    """A near copy: a tenth of the words are others, all are in capitals, commas between them."""
    random_ = random.Random(seed)
    words = text.split()
    for place in random_.sample(range(len(words)), max(1, len(words) // 10)):
        words[place] = random_.choice(WORDS)
    return ", ".join(words).upper()


def test_every_planted_copy_is_found(workspace: Workspace) -> None:
    """All rows whose question is held out are found, and no other row is."""
    planted = items(workspace, [row["question"] for row in ROWS[::4]])

    found = report(workspace, "--held-out", planted)

    assert found["found"] == 100
    assert found["tasks"]["tiny/sums"]["rules"] == {"ngram": 100}


def test_near_copies_are_found(workspace: Workspace) -> None:
    """At least 95 of 100 copies with a tenth of their words changed are found."""
    planted = items(workspace, [changed(row["question"], n) for n, row in enumerate(ROWS[::4])])

    found = report(workspace, "--held-out", planted)

    assert 95 <= found["found"] <= 100


def test_other_texts_are_not_found(workspace: Workspace) -> None:
    """Items that no row holds are in no row, and the command ends with 0."""
    other = items(workspace, [sentence(n, 20) for n in range(10_000, 10_300)])

    done = run("contamination", workspace.recipe, *workspace.options, "--held-out", other)

    assert done.exit_code == 0
    assert "0 of 400 rows hold items" in done.stdout


def test_evidence_says_which_words(workspace: Workspace) -> None:
    """The stretch of the row that stands in the item is given to the character."""
    text = ROWS[7]["question"]
    middle = " ".join(text.split()[3:18])
    planted = items(workspace, ["Before it. " + middle.title() + " and after."])

    [evidence] = report(workspace, "--held-out", planted)["tasks"]["tiny/sums"]["evidence"]

    [span] = evidence["spans"]
    assert text[span["start"] : span["end"]] == span["text"] == middle
    assert evidence["item"] == "held.jsonl#L1"
    assert evidence["place"].endswith("sums.jsonl#L8")


@pytest.mark.parametrize(
    ("words", "around", "expected"),
    [(8, " and more words", 1), (7, " and more words", 0), (3, "", 1), (2, "", 0)],
)
def test_short_items_are_found_whole(
    tmp_path: Path, words: int, around: str, expected: int
) -> None:
    """Eight words count among others; three to seven only as a whole field; two never."""
    made = Workspace(tmp_path)
    made.template_file("tiny/questions", [PLAIN])
    short = sentence(77_777, words)
    made.task("sums", [*ROWS[:8], {"question": short + around, "answer": "x"}])
    made.write_recipe()
    run("ingest", made.recipe, *made.options, "--workers", 0)

    found = report(made, "--held-out", items(made, [short.upper() + "?"]))

    assert found["found"] == expected
    assert found["held_out"]["held.jsonl"]["too_short"] == (words == 2)


def test_options_in_another_order_are_found(tmp_path: Path) -> None:
    """A short question with short options is found whatever the order of the options."""
    made = Workspace(tmp_path)
    options = {
        "id": "plain",
        "input": "{{ question }} {{ options_text }}",
        "target": "{{ answer }}",
    }
    made.template_file("tiny/questions", [options])
    fields = {"question": "question", "options": "options", "answer_index": "right"}
    row = {"question": "Which floats?", "options": ["a cork", "a nail", "a stone"], "right": 0}
    others = [{**row, "question": f"Which is {n}?"} for n in range(4)]
    made.task(
        "sums", [row, *others], fields=fields, kind="multiple_choice", sample=[row, others[0]]
    )
    made.write_recipe()
    run("ingest", made.recipe, *made.options, "--workers", 0)
    path = made.folder / "held.jsonl"
    path.write_text(
        json.dumps({"question": "WHICH floats", "options": ["a stone", "a cork", "a nail"]}),
        encoding="utf-8",
    )

    found = report(made, "--held-out", path)

    assert found["found"] == 1


def test_a_list_makes_a_clean_mixture(workspace: Workspace) -> None:
    """Rows that the list names are left out, and the next look finds nothing that is not known."""
    planted = items(workspace, [row["question"] for row in ROWS[:30]])
    out = workspace.folder / "held.list.jsonl"
    written = run(
        "contamination", workspace.recipe, *workspace.options, "--held-out", planted, "--out", out
    )
    found_before = run("contamination", workspace.recipe, *workspace.options, "--held-out", planted)
    workspace.write_recipe(filters={"rows": [out.name]})
    ingested = json.loads(
        run("ingest", workspace.recipe, *workspace.options, "--workers", 0, "--json").stdout
    )
    after = report(workspace, "--held-out", planted)

    assert written.exit_code == 0, written.output
    assert found_before.exit_code == 1
    assert ingested["excluded"] == {"held_out": 30}
    assert after["found"] == after["already_excluded"] == 30
    assert after["findings"][0]["severity"] == "note"


def test_workers_change_nothing(workspace: Workspace) -> None:
    """One process and several give the same list, byte for byte."""
    workspace.task("more", ROWS[:50])
    run("ingest", workspace.recipe, *workspace.options, "--workers", 0)
    planted = items(workspace, [changed(row["question"], n) for n, row in enumerate(ROWS[::4])])
    lists = []
    for workers in (0, 2):
        out = workspace.folder / f"list{workers}.jsonl"
        run(
            "contamination",
            workspace.recipe,
            *workspace.options,
            "--held-out",
            planted,
            "--out",
            out,
            "--workers",
            workers,
        )
        lists.append(out.read_bytes())

    assert lists[0] == lists[1]
    assert lists[0].count(b"tiny/more") > 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("held.jsonl", '{"a": "b"}\n', "found the columns a; expected question, input, text"),
        ("held.jsonl", '{"question": "a"}\n{"question"\n', "bad_json"),
        ("held.txt", "", "found an empty file"),
        ("nothing.jsonl", None, "found no such file"),
        ("mlu", None, "Did you mean 'mmlu'?"),
    ],
)
def test_what_cannot_be_read_is_said(
    workspace: Workspace, name: str, content: str | None, message: str
) -> None:
    """A held-out set is read whole or not at all."""
    path = workspace.folder / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    given = path if path.suffix else name
    cards = ["--templates", workspace.templates, "--store", workspace.store]

    options = cards if not path.suffix else workspace.options
    recipe = "quickstart" if not path.suffix else workspace.recipe
    done = run("contamination", recipe, *options, "--held-out", given)

    assert done.exit_code in {1, 2}
    assert message in done.stderr


def test_a_line_of_text_is_an_item(workspace: Workspace) -> None:
    """A text file holds an item a line."""
    path = workspace.folder / "held.txt"
    path.write_text("\n".join(row["question"] for row in ROWS[:3]) + "\n", encoding="utf-8")

    assert report(workspace, "--held-out", path)["found"] == 3


def test_shipped_cards_of_held_out_sets_are_no_tasks() -> None:
    """They are sound, their samples give items, and no recipe can name them."""
    held_out, findings = load_held_out_cards(cards_folder())
    tasks, _ = load_cards(cards_folder(), expressions=False)

    assert not findings
    assert sorted(held_out) == ["heldout/bbh", "heldout/mgsm", "heldout/mmlu", "heldout/tydiqa"]
    assert not any(task.startswith("heldout/") for task in tasks)
    assert {card.kind for card in held_out.values()} == {"heldout"}


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_words_do_not_cross_texts(texts: list[str]) -> None:
    """Words, and runs of them, are those of each text by itself, whatever stands beside it."""
    together = words_of(texts)
    grams, places = together.grams(2)
    for number, text in enumerate(texts):
        alone = words_of([text])
        here = slice(together.firsts[number], together.firsts[number + 1])
        assert together.hashes[here].tolist() == alone.hashes.tolist()
        assert together.starts[here].tolist() == alone.starts.tolist()
        assert together.ends[here].tolist() == alone.ends.tolist()
        mine = together.owners[places] == number
        assert grams[mine].tolist() == alone.grams(2)[0].tolist()


@given(st.lists(st.text(alphabet="abcdé -", max_size=30), min_size=1, max_size=8))
def test_words_are_those_between_separators(texts: list[str]) -> None:
    """Words end at what is no letter; accents and case do not count."""
    found = words_of(texts)
    for number, text in enumerate(texts):
        expected = text.replace("-", " ").replace("é", "e").split()
        assert found.counts[number] == len(expected)
        assert found.whole()[number] == words_of([" ".join(expected).upper()]).whole()[0]


def test_boilerplate_counts_for_nobody() -> None:
    """A run of words that more than ten items share is not looked for, if they have others."""
    shared = sentence(1, 15)
    held = [
        HeldOutItem(held_out="s", item=str(n), texts=(f"{shared} {sentence(100 + n, 20)}",))
        for n in range(11)
    ]

    index = build_index(held)
    common = build_index([*held[:1] * 11])

    assert not index.exact.find(words_of([shared]).grams(13)[0])[0].size
    assert common.exact.find(words_of([shared]).grams(13)[0])[0].size == 3
