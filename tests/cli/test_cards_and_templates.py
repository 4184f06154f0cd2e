"""`cards` and `templates`: what is listed and shown, and which mistakes the checks find."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixture_builder.jobs.inspect.lints.wording import common_share, words_of
from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run


def check_cards(workspace: Workspace) -> tuple[int, list[dict[str, Any]]]:
    done = run("cards", "check", *workspace.folders, "--json")
    return done.exit_code, json.loads(done.stdout)["findings"]


def check_templates(workspace: Workspace) -> tuple[int, list[dict[str, Any]]]:
    done = run("templates", "check", *workspace.folders, "--json")
    return done.exit_code, json.loads(done.stdout)["findings"]


def test_cards_are_listed_by_part_and_glob() -> None:
    """A list holds what is asked for, with kind, languages, rows and licence."""
    part = run("cards", "list", "--submixture", "quickstart")
    glob = run("cards", "list", "quickstart/s*", "--json")
    none = run("cards", "list", "nothing/*")

    assert len(part.stdout.splitlines()) == 13
    assert part.stdout.splitlines()[0].split() == ["id", "kind", "languages", "rows", "licence"]
    assert [card["id"] for card in json.loads(glob.stdout)] == [
        "quickstart/science_choice",
        "quickstart/summaries",
        "quickstart/sums",
    ]
    assert none.exit_code == 1


def listed(*arguments: object) -> list[dict[str, Any]]:
    done = run("cards", "list", *arguments, "--json")
    assert done.exit_code == 0, done.output
    cards: list[dict[str, Any]] = json.loads(done.stdout)
    return cards


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--kind", "dialog"], ["tiny/talk"]),
        (["--kind", "DIALOG", "--kind", "classification"], ["tiny/talk", "tiny/yes_no"]),
        (["--category", "*logic*"], ["tiny/yes_no"]),
        (["--language", "pt-BR"], ["tiny/talk"]),
        (["--licence", "mit"], ["tiny/talk"]),
        (["--availability", "manual"], ["tiny/talk"]),
        (["--availability", "unknown"], ["tiny/yes_no"]),
        (["--with-options"], ["tiny/yes_no"]),
        (["--without-options"], ["tiny/sums", "tiny/talk"]),
        (["--cot"], ["tiny/sums"]),
        (["--no-cot", "--without-options"], ["tiny/talk"]),
        (["--submixture", "tiny", "tiny/s*", "tiny/t*"], ["tiny/sums", "tiny/talk"]),
        (["--language", "en", "tiny/y*"], ["tiny/yes_no"]),
    ],
)
def test_filters_narrow_the_list_together(
    workspace: Workspace, options: list[str], ids: list[str]
) -> None:
    """A card is listed if each filter holds of it; a filter given twice takes either value."""
    workspace.task(
        "sums", None, cot=True, fields={"question": "q", "answer": "a", "rationale": "r"}
    )
    workspace.task(
        "talk",
        None,
        kind="dialog",
        languages=["en", "pt-BR"],
        licence={"id": "MIT"},
        availability={"state": "manual"},
    )
    card = workspace.task(
        "yes_no",
        None,
        kind="classification",
        category="formal logic",
        fields={"question": "q", "options": "['yes', 'no']", "answer_index": "label"},
    )
    del card["availability"]
    workspace.write(workspace.cards / "tiny" / "yes_no.yaml", card)

    assert [card["id"] for card in listed(*options, "--cards", workspace.cards)] == ids


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kind", "dialgo"], "--kind dialgo: no card has it; expected one of classification, "),
        (["--kind", "dialgo"], "Did you mean 'dialog'?"),
        (
            ["--submixture", "muffni"],
            "expected one of cot, muffin, niv2, quickstart, t0_sf. Did you",
        ),
        (["--language", "xx", "--licence", "MTI"], "--licence MTI: no card has it"),
        (["--category", "no such*"], "--category no such*: no card has it; expected one of "),
        (["--submixture", "cot", "--kind", "dialog"], "expected one of "),
    ],
)
def test_a_value_that_no_card_has_is_answered_with_those_there_are(
    options: list[str], said: str
) -> None:
    """A misspelt filter is wrong usage, not an empty list; all such values are named at once."""
    done = run("cards", "list", *options)

    assert done.exit_code == 2
    assert done.stdout == ""
    assert said in done.stderr


def test_filters_that_together_leave_no_card_are_no_error_of_spelling() -> None:
    """Each value is known, but no card has all: an empty list says so, and ends with 1."""
    done = run("cards", "list", "--submixture", "cot", "--with-options", "--no-cot", "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout) == []
    assert "leave a filter out" in done.stderr


def test_a_list_leaves_broken_files_out_and_says_so(workspace: Workspace) -> None:
    """Listing reads no expressions, but a card that is none is not listed."""
    workspace.task("lost", None, kind="guess")

    done = run("cards", "list", "--cards", workspace.cards, "--json")

    assert [card["id"] for card in json.loads(done.stdout)] == ["tiny/sums"]
    assert "1 file with errors left out" in done.stderr


def test_a_member_of_a_family_is_shown_as_a_whole_card() -> None:
    """Families are a way to write cards; readers see each card in full."""
    task = "niv2/task001_quoref_question_generation"

    plain = run("cards", "show", task)
    card = json.loads(run("cards", "show", task, "--json").stdout)

    assert card["id"] == task
    assert card["sources"][0]["files"][0].endswith("/task001_quoref_question_generation.json")
    assert "${" not in plain.stdout
    for heading in ("licence", "source", "fields", "sample[0]", "citation"):
        assert f"\n  {heading}" in plain.stdout or f"\n{heading}" in plain.stdout


def test_shipped_quickstart_cards_have_no_findings() -> None:
    """The cards that everybody tries first are sound with their samples and templates."""
    from mixture_builder.shipped import cards_folder

    done = run("cards", "check", cards_folder() / "quickstart")

    assert done.exit_code == 0, done.stdout
    assert done.stdout == "12 sound cards: 0 errors, 0 warnings, 0 notes\n"


def test_a_sound_card_has_no_findings(workspace: Workspace) -> None:
    """The workspace's own card is a sound starting point for the tests below."""
    assert check_cards(workspace) == (0, [])


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        (
            {"sample": [{"question": "One?"}, {"question": "Two?", "answer": "2"}]},
            "tiny/sums: sample[0]",
            "fields.answer: 'answer' is undefined",
        ),
        ({"keep": "question == 'x'"}, "tiny/sums: sample[0]", "keep is false for it"),
        ({"templates": "tiny/question"}, "tiny/sums: templates", "has no such file"),
        (
            {"fields": {"question": "question", "reply": "answer"}},
            "templates[0] 'plain'",
            "found the name 'answer'",
        ),
        ({"kind": "guess"}, "kind", "found 'guess'"),
        (
            {"fields": {"question": "question |", "answer": "answer"}},
            "fields.question",
            "no expression",
        ),
    ],
)
def test_mistakes_of_a_card_are_found(
    workspace: Workspace, changes: dict[str, Any], place: str, said: str
) -> None:
    """Schema, samples, templates and expressions are all looked at."""
    workspace.task("sums", None, **changes)

    code, findings = check_cards(workspace)

    assert code == 1
    assert any(f["place"] == place and said in f["message"] for f in findings), findings


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"input": "{{ question[50] }}", "target": "{{ answer }}"}, "input fails"),
        (
            {"input": "{{ question }}", "target": "{% if not answer %}x{% endif %}"},
            "comes out empty",
        ),
        ({"input": "{{ question }} {{ answer }}", "target": "{{ answer }}"}, "which is the target"),
        ({"input": "{{ question }", "target": "{{ answer }}"}, "no valid template"),
    ],
)
def test_templates_that_give_no_text_for_a_sample_are_found(
    workspace: Workspace, template: dict[str, str], said: str
) -> None:
    """Every template is rendered for every sample row before it meets real rows."""
    workspace.template_file("tiny/questions", [PLAIN, {"id": "bad", **template}])

    code, findings = check_cards(workspace)

    assert code == 1
    assert any("'bad'" in f["place"] and said in f["message"] for f in findings), findings


def test_single_files_can_be_checked(workspace: Workspace) -> None:
    """An author checks the file at hand, not all 1,836 tasks."""
    workspace.task("odd", None, kind="guess")

    sound = run("cards", "check", workspace.cards / "tiny" / "sums.yaml", *workspace.folders)
    odd = run("cards", "check", workspace.cards / "tiny" / "odd.yaml", *workspace.folders)

    assert (sound.exit_code, odd.exit_code) == (0, 1)


def test_templates_that_say_the_same_are_a_warning(workspace: Workspace) -> None:
    """Two templates of a file share at most two thirds of their words."""
    same = [
        {"id": "one", "input": "Please answer this now: {{ question }}", "target": "{{ answer }}"},
        {"id": "two", "input": "{{ question }} Please answer this.", "target": "{{ answer }}"},
        {"id": "other", "input": "{{ question }} And the reply?", "target": "{{ answer }}"},
    ]
    workspace.template_file("tiny/questions", same)

    code, findings = check_templates(workspace)

    alike = [f for f in findings if "of its words" in f["message"]]
    assert code == 0
    assert [f["place"] for f in alike] == ["templates[1] 'two'.input"]
    assert "86%" in alike[0]["message"]
    assert "templates[0] 'one'" in alike[0]["message"]


def test_words_are_counted_as_often_as_they_stand() -> None:
    """What Jinja puts in, and how often, is no wording."""
    assert words_of("A b b {{ c }}{% if d == 'e' %} f{% endif %}") == {"a": 1, "b": 2, "f": 1}
    assert common_share(words_of("a b c"), words_of("a b d")) == pytest.approx(2 / 3)
    assert common_share(words_of("{{ a }}"), words_of("{{ b }}")) == 0


def test_what_is_not_compiled_is_noted_with_the_reason(workspace: Workspace) -> None:
    """Sandboxed Jinja renders everything that is allowed, but slowly; the author may care."""
    slow = {"id": "slow", "input": "{% for w in [question] %}{{ loop.index }}{% endfor %} "
            "{{ question }}", "target": "{{ answer }}"}  # fmt: skip
    workspace.template_file("tiny/questions", [PLAIN, slow])

    code, findings = check_templates(workspace)

    notes = [f for f in findings if f["lint"] == "not_compiled"]
    assert code == 0
    assert [f["place"] for f in notes] == ["templates[1] 'slow'.input"]
    assert "the loop variable" in notes[0]["message"]


def test_few_templates_and_unused_files_are_pointed_out(workspace: Workspace) -> None:
    """Fewer than ten phrasings are a warning, a file that no card uses is a note."""
    workspace.template_file("tiny/idle", [PLAIN])

    code, findings = check_templates(workspace)

    said = {(f["file"], f["severity"], f["message"][:24]) for f in findings}
    assert code == 0
    assert ("templates/tiny/questions.yaml", "warning", "found 2 templates; 10 or") in said
    assert ("templates/tiny/idle.yaml", "note", "no card uses this file.") in said


def test_names_are_held_against_every_card_that_uses_a_file(workspace: Workspace) -> None:
    """A file that several cards share must fit all of them."""
    workspace.task("facts", QUESTIONS, fields={"question": "question", "reply": "answer"})

    code, findings = check_templates(workspace)

    assert code == 1
    assert any("the card tiny/facts does not give" in f["message"] for f in findings)


def test_template_files_are_listed_and_shown() -> None:
    """A list says how many templates and cards there are; one file is shown as it is written."""
    found = json.loads(run("templates", "list", "quickstart/*", "--json").stdout)
    table = run("templates", "list", "quickstart/*")
    shown = run("templates", "show", "quickstart/sums")
    one = json.loads(run("templates", "show", "quickstart/sums", "--json").stdout)

    assert len(found) == 12
    assert all(entry["cards"] == 1 and entry["templates"] >= 10 for entry in found)
    assert len(table.stdout.splitlines()) == 13
    assert shown.stdout.count("=== ") == len(one["templates"])
