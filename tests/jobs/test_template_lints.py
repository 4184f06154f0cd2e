"""Lints of templates: each finds what it is for, and leaves alone what is sound.

A case is a template that trips a lint and one, as near to it as possible, that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mixture_builder.cards import TaskCard
from mixture_builder.jobs.inspect.check_templates import lint
from mixture_builder.jobs.inspect.lints.choices import article_for
from mixture_builder.jobs.inspect.lints.problem import LINTS, Problem
from mixture_builder.jobs.inspect.lints.shapes import FIELD, shape_of
from mixture_builder.jobs.inspect.lints.subject import Subject
from mixture_builder.templates import PromptTemplate, TemplateSet
from tests.makers import make_card, make_template, make_templates, shipped_styles

IF = "{% if options_text %}\n{{ options_text }}{% endif %}"

QUESTIONS = make_card(
    fields={name: name for name in ("question", "answer", "hint", "note", "steps")},
    optional=["note"],
    types={"steps": "list"},
    sample=(
        {
            "question": "Why is the sky of our planet blue?",
            "answer": "short waves are scattered most",
            "hint": "think of how short waves are scattered most",
            "note": "from a school book.",
            "steps": ["look", "think"],
        },
    ),
)
CHOICES = make_card(
    "demo/choices",
    fields={"question": "question", "options": "options", "answer_index": "answer_index"},
    sample=(
        {"question": "Which is a fruit?", "options": ["apple", "pear", "stone"], "answer_index": 0},
    ),
)


def found(
    *templates: PromptTemplate, card: TaskCard = QUESTIONS, **further: Any
) -> list[tuple[str, str]]:
    """Lints with what they say, for a file of these templates."""
    return [(p.lint, p.message) for p in problems(templates, card=card, **further)]


def problems(
    templates: Sequence[PromptTemplate], *, card: TaskCard = QUESTIONS, **further: Any
) -> list[Problem]:
    made = make_templates(*templates)
    changed = TemplateSet(
        name=made.name, file=made.file, about=made.about, templates=made.templates, **further
    )
    return list(lint(Subject(templates=changed, cards=[card]), styles=shipped_styles().styles))


def lints(shown: str, target: str = "{{ answer }}", **further: Any) -> set[str]:
    """Names of the lints that a single template trips, without those about whole files."""
    card = further.pop("card", QUESTIONS)
    whole = {"few_templates", "none_inverted", "mostly_inverted", "own_labels", "unused_field"}
    return {name for name, _ in found(make_template("t", shown, target, **further), card=card)} - (
        whole
    )


Q = "{{ question }}"

CASES = [
    ("no_target", {"target": "{{ '' }}"}, {}),
    ("constant_target", {"target": "yes"}, {"target": "yes, {{ answer }}"}),
    ("answer_in_input", {"shown": Q + " {{ answer }}", "target": "So: {{ answer }}"}, {}),
    (
        "answer_in_input",
        {"shown": Q + " {{ answer }}", "target": "So: {{ answer }}"},
        {"shown": Q + " {{ answer }}", "target": "{{ hint }}", "direction": "inverted"},
    ),
    ("stray_space", {"shown": "Say  it: " + Q}, {"shown": "Say it: " + Q}),
    ("stray_space", {"shown": "Say it \n" + Q}, {"shown": "   Say it\n" + Q}),
    ("stray_space", {"shown": Q + " Is it so ?"}, {"shown": Q + " Is it so ... ?!"}),
    ("stray_space", {"shown": f"Say it ( {Q})"}, {"shown": f"Tick it: [ ] ({Q})"}),
    ("stray_space", {"shown": f"Say it\n\n\n\n{Q}"}, {"shown": f"Say it\n\n\n{Q}"}),
    (
        "stray_space",
        {"shown": Q + " {{ note }} Say it."},
        {"shown": Q + "{% if note %} {{ note }}{% endif %} Say it."},
    ),
    (
        "dangling_mark",
        {"shown": Q + " ({{ note }})"},
        {"shown": Q + "{% if note %} ({{ note }}){% endif %}"},
    ),
    (
        "dangling_mark",
        {"shown": Q + " ({{ note }})"},
        {"shown": Q + " ({{ note }})", "requires": ["note"]},
    ),
    ("doubled_mark", {"shown": Q + ". Say it."}, {"shown": f'"{Q}" Say it.'}),
    ("doubled_mark", {"shown": "Well,, say it: " + Q}, {"shown": "Well... say it: " + Q}),
    ("doubled_mark", {"target": "{{ answer }}.."}, {"target": "{{ answer }}."}),
    ("unbalanced", {"shown": f'Say it: "{Q}'}, {"shown": f'Say it: "{Q}"'}),
    ("unbalanced", {"shown": f"Say it (now: {Q}"}, {"shown": f"a) Say it (now): {Q}"}),
    ("unbalanced", {"shown": f"“Say it: {Q}"}, {"shown": f"“Say it”, it's easy: {Q}"}),
    ("odd_character", {"shown": "Say\u00a0it: " + Q}, {"shown": "Say it – “précis” →: " + Q}),
    ("odd_character", {"shown": "Say\u200b it: " + Q}, {"shown": "Say it: " + Q}),
    ("odd_character", {"shown": "\u202eSay it: " + Q}, {"shown": "Say it: " + Q}),
    ("odd_character", {"shown": "S\u0430y it: " + Q}, {"shown": "Say it: " + Q}),
    ("placeholder", {"shown": "TODO " + Q}, {"shown": "What is to do? " + Q}),
    ("placeholder", {"shown": Q + " {hint}"}, {"shown": Q + " {other}"}),
    ("none_in_text", {"shown": Q + " {{ steps }}"}, {"shown": Q + " {{ steps | join(', ') }}"}),
    (
        "options_unseen",
        {"shown": Q + "\nChoose one of the options." + IF, "card": CHOICES},
        {"shown": Q + "{% if options_text %}\nChoose an option." + IF + "{% endif %}"}
        | {"card": CHOICES},
    ),
    (
        "options_unseen",
        {"shown": Q + "\nPick one of the following.", "card": CHOICES},
        {"shown": Q + "\nThe alternatives: apple, stone, pear.", "card": CHOICES},
    ),
    (
        "option_count",
        {"shown": Q + " Which of the two options? {{ options_text }}", "card": CHOICES},
        {"shown": Q + " Which of the three options? {{ options_text }}", "card": CHOICES},
    ),
    (
        "option_count",
        {"shown": Q + " Say either of these options. {{ options_text }}", "card": CHOICES},
        {"shown": Q + " Say either this or that. {{ options_text }}", "card": CHOICES},
    ),
    (
        "article",
        {"shown": "Ask for a {{ answer }}.", "target": Q, "card": CHOICES},
        {"shown": "Ask for this: {{ answer }}", "target": Q, "card": CHOICES},
    ),
    (
        "article",
        {"shown": "Ask for an {{ answer }}.", "target": Q, "card": CHOICES},
        {
            "shown": "Ask for {% if answer[0] in 'aeiou' %}an{% else %}a{% endif %} {{ answer }}.",
            "target": Q,
            "card": CHOICES,
        },
    ),
]


@pytest.mark.parametrize(
    ("name", "bad", "good"), CASES, ids=[f"{i:02d}-{case[0]}" for i, case in enumerate(CASES)]
)
def test_a_lint_finds_what_it_is_for_and_nothing_in_a_sound_template(
    name: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    """The one template trips the lint, and of all lints no other; the other trips none."""
    assert lints(**{"shown": Q, **bad}) == {name}
    assert lints(**{"shown": Q, **good}) == set()


def test_every_lint_is_told_apart_in_some_test() -> None:
    """What is listed as a lint is what these tests try."""
    whole_files = {
        "alike", "few_templates", "mostly_inverted", "none_inverted", "own_labels", "unused_field",
        "unused_file", "not_compiled", "allow_unneeded",
    }  # fmt: skip

    assert {case[0] for case in CASES} | whole_files == set(LINTS)


def test_a_target_that_stands_in_the_prompt_is_found_by_rendering() -> None:
    """A field that only one template shows, and that holds the answer, gives it away."""
    others = [make_template(f"t{i}", Q) for i in range(3)]
    leaking = make_template("leaking", Q + " {{ hint }}")

    assert [n for n, _ in found(*others, leaking) if n == "answer_in_input"] == ["answer_in_input"]


def test_an_extractive_answer_in_its_passage_is_no_leak() -> None:
    """What most direct templates show is what the answer is to be found in."""
    shown = [make_template(f"t{i}", Q + " {{ hint }}") for i in range(3)]

    assert "answer_in_input" not in dict(found(*shown, make_template("without", Q)))


def test_a_target_that_a_template_names_for_all_rows_is_no_leak() -> None:
    """Words of the template itself are the same whatever the answer is."""
    named = make_template("t", Q + ' Say "short waves are scattered most" or "who knows".')

    assert "answer_in_input" not in dict(found(named))


def test_letters_of_other_scripts_are_welcome_where_a_card_has_their_language() -> None:
    """Only where every card is in English alone is a letter of another script a surprise."""
    template = make_template("t", "Ответьте: " + Q)
    russian = make_card(
        fields={"question": "question", "answer": "answer"},
        languages=("en", "ru"),
        sample=({"question": "Что?", "answer": "да"},),
    )

    assert "odd_character" in dict(found(template))
    assert "odd_character" not in dict(found(template, card=russian))


def test_files_are_looked_at_as_a_whole() -> None:
    """Few, inverted and labelled templates are counted; paraphrases of one prompt need less."""
    labelled = [make_template(f"t{i}", f"{Q} word{i}\nAnswer:") for i in range(4)]
    turned = [
        make_template(f"i{i}", "{{ answer }} " + f"word{i}", Q, direction="inverted")
        for i in range(5)
    ]
    plain = dict(found(*labelled))
    both = dict(found(*labelled, *turned))
    paraphrases = dict(found(*labelled, make_template("last", Q), prompt="one"))

    assert plain["few_templates"].startswith("found 4 templates; 10 or more")
    assert "none_inverted" in plain
    assert "t0, t1, t2, t3" in plain["own_labels"]
    assert "found 5 inverted templates of 9" in both["mostly_inverted"]
    assert "none_inverted" not in both
    assert not {"few_templates", "none_inverted"} & {*paraphrases}


def test_fields_that_no_template_shows_are_noted() -> None:
    """The machinery of answers and options counts as shown where its names are."""
    used = Q + " {{ hint }} {{ note }} {{ steps | join }}"

    assert dict(found(make_template("t", Q)))["unused_field"].startswith(
        "no template reads hint, note, steps, which the card demo/task"
    )
    assert "unused_field" not in dict(found(make_template("t", used)))
    wanted = make_template("t", Q, requires=["hint", "note", "steps"])
    assert "unused_field" not in dict(found(wanted))
    assert "unused_field" not in dict(found(make_template("t", Q + IF), card=CHOICES))


def test_a_shape_tells_what_came_from_the_row() -> None:
    """Empty fields vanish, conditions are decided, constants count as the template's own."""
    shape = shape_of(
        "Say {{ 'it' }}: {{ a }}{% if b %} ({{ b }}){% endif %}{{ '\n' ~ c }}",
        {"a": "x", "b": "", "c": "y"},
    )

    assert shape is not None
    assert shape.text == "Say it: x\ny"
    assert shape.skeleton == f"Say it: {FIELD}\n{FIELD}"
    assert shape.borders() == [("Say it: ", "x")]


@pytest.mark.parametrize(
    ("word", "article"),
    [("apple", "an"), ("stone", "a"), ("honest reply", "an"), ("one", "a"), ("18 cats", "an")],
)
def test_articles_go_by_sound(word: str, article: str) -> None:
    """Letters decide in most words, known exceptions are known."""
    assert article_for(word) == article
