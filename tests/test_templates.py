"""Templates: which variants they serve, and what every mistake earns.

A folder of `tests/bad_templates` holds `templates.yaml` and `expected.txt`: the exact report
for a card with the fields thing, answer and, optional, hint. Written anew with
`UPDATE_EXPECTED=1`, to be read before it is kept.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from jinja2 import nodes

from mixture_builder.card_files import load_cards
from mixture_builder.cards import TaskCard
from mixture_builder.findings import Report
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_parsing import names_used, parse
from mixture_builder.jobs.inspect.lints.subject import texts_of
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.template_files import check_names, load_templates, template_names
from mixture_builder.templates import templates_from_json, templates_to_json
from tests.makers import make_template, make_templates

CASES = Path(__file__).parent / "bad_templates"
KNOWN = frozenset(["thing", "answer", "answer_text", "hint"])


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir()))
def test_a_bad_template_says_what_is_wrong_and_the_way_out(case):
    """Each mistake gives exactly the report its folder expects."""
    loaded, findings = load_templates(CASES / case, "templates")
    if loaded is not None:
        optional = frozenset(["hint"])
        findings = list(check_names(loaded, known=KNOWN, optional=optional, task="demo/colours"))
    found = Report(findings=tuple(findings)).format() + "\n"
    expected = CASES / case / "expected.txt"
    if os.environ.get("UPDATE_EXPECTED") and not expected.exists():
        expected.write_text(found, encoding="utf-8")

    assert findings
    assert found == expected.read_text(encoding="utf-8")


IF = "{% if options_text %}\n{{ options_text }}{% endif %}"
ALL = ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt")


@pytest.mark.parametrize(
    ("shown", "served"),
    [
        ("{{ q }}" + IF, ALL),
        ("{{ q }} {{ options_text }}", ("zs_opt", "fs_opt")),
        ("{{ q }}", ("zs_noopt", "fs_noopt")),
        ("{{ q }}{{ '\n' ~ options_text if options_text else '' }}", ALL),
        ("{{ q }}{% if not options_text %} Yes or no?{% endif %}", ("zs_noopt", "fs_noopt")),
        ("{{ q }}{% if options_text %} Choose.{% endif %}", ("zs_noopt", "fs_noopt")),
        ("{{ q }}{% if q %}{{ options_text }}{% endif %}", ("zs_opt", "fs_opt")),
        ("{% if options_text %}{{ options_text }}{% else %}yes, no{% endif %} {{ q }}", ALL),
        ("{{ options_text | length }}", ("zs_noopt", "fs_noopt")),
        ("{{ options | join(', ') }}", ("zs_noopt", "fs_noopt")),
    ],
)
def test_a_template_serves_what_its_prompt_can_show(shown, served):
    """A variant with options needs them shown; without them a label would mean nothing."""
    template = make_template("t", shown)

    assert template.served(has_options=True) == served
    assert template.served(has_options=False) == tuple(
        v for v in ALL if v.endswith("noopt") and "zs_noopt" in served
    )


def test_variants_restrict_what_a_template_serves():
    """`variants` takes variants away and never adds one that the texts do not allow."""
    template = make_template("t", "{{ q }}", variants=["zs_opt", "zs_noopt"])

    assert template.served(has_options=True) == ("zs_noopt",)


def test_a_few_shot_text_decides_for_few_shot_variants():
    """The texts that are rendered decide; mixed prompts render the plain ones."""
    template = make_template("t", "{{ q }}", few_shot={"input": "{{ q }} {{ options_text }}"})

    assert template.served(has_options=True) == ("zs_noopt", "fs_opt")
    assert template.served(has_options=True, mixed=True) == ("zs_noopt", "fs_noopt")


def test_templates_come_back_from_plain_data():
    """A lock holds templates as the files do."""
    template = make_template(
        "t",
        "{{ q }}",
        "{{ a }}",
        direction="inverted",
        variants=["zs_noopt"],
        requires=["hint"],
        few_shot={"instruction": "Do.", "target": "{{ b }}"},
    )
    plain = make_template("plain", "{{ q }}")

    assert templates_from_json(templates_to_json((template, plain))) == (template, plain)
    assert templates_to_json((plain,)) == [
        {"id": "plain", "input": "{{ q }}", "target": "{{ answer }}"}
    ]
    assert template.names == {"q", "a", "b"}


def test_the_fingerprint_of_a_set_is_that_of_its_texts():
    """Order, ids and texts count; what the file says about itself does not."""
    one, two = make_template("one", "{{ q }}"), make_template("two", "{{ q }}!")

    assert make_templates(one, two).fingerprint == make_templates(one, two, name="x/y").fingerprint
    assert make_templates(one, two).fingerprint != make_templates(two, one).fingerprint


def card_templates() -> dict[str, list[TaskCard]]:
    cards, findings = load_cards(cards_folder())
    assert not findings
    users: dict[str, list[TaskCard]] = {}
    for card in cards.values():
        users.setdefault(card.templates, []).append(card)
    return users


def test_the_templates_that_come_with_the_package_are_sound():
    """Every file loads, and every name it uses is given by every card that uses it."""
    users = card_templates()
    for name in template_names(templates_folder()):
        loaded, findings = load_templates(templates_folder(), name)
        assert loaded is not None, Report(findings=tuple(findings)).format()
        for card in users.get(name, [])[:5]:
            optional = frozenset(f.name for f in card.fields if f.optional)
            problems = check_names(
                loaded, known=card.template_names(), optional=optional, task=card.id
            )
            assert not list(problems)


def answers_tested(tree: nodes.Node) -> list[str]:
    """Names of answers that a tree tests or changes, where a label may stand instead."""
    found = []
    for node in tree.find_all((nodes.If, nodes.CondExpr, nodes.Filter, nodes.Getitem)):
        inner = getattr(node, "test", None) or getattr(node, "node", None)
        if inner is not None and "answer" in names_used(inner):
            found.append(type(node).__name__)
    return found


def test_no_target_tests_or_changes_an_answer_that_may_be_a_label():
    """Where options are enumerated the target's answer is "(B)": it can only be printed."""
    wrong = []
    for name, cards in card_templates().items():
        if not cards[0].has_options:
            continue
        loaded, _ = load_templates(templates_folder(), name)
        assert loaded is not None
        for template in loaded.templates:
            served = template.served(has_options=True)
            for few_shot in (False, True):
                target = (template.few_shot_target if few_shot else "") or template.target
                code = "fs_opt" if few_shot else "zs_opt"
                if code in served and answers_tested(parse(target)):
                    wrong.append((name, template.id, code))

    assert not wrong


def test_ids_of_templates_say_something():
    """Ids are unique in their file and no mere numbers."""
    for name in template_names(templates_folder()):
        loaded, _ = load_templates(templates_folder(), name)
        assert loaded is not None
        ids = [template.id for template in loaded.templates]
        assert len(set(ids)) == len(ids)
        assert not [i for i in ids if re.fullmatch(r"(t|template|prompt)?_?\d+", i)]


def test_nearly_all_texts_that_come_with_the_package_are_compiled():
    """At most one text in a hundred is left to sandboxed Jinja, which is slower."""
    loaded = [load_templates(templates_folder(), n)[0] for n in template_names(templates_folder())]
    texts = [
        compile_text(text.source)
        for one in loaded
        if one is not None
        for template in one.templates
        for text in texts_of(0, template)
    ]

    assert len(texts) > 5000
    assert sum(bool(text.fallback) for text in texts) <= len(texts) / 100
