"""What becomes of templates of promptsource: their texts, names, notes and fields."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mixture_builder.imports.promptsource_files import UpstreamSet, UpstreamTemplate
from mixture_builder.imports.promptsource_files import read_promptsource as read
from mixture_builder.imports.template_files import card_stub, import_set, template_file
from mixture_builder.template_files import load_templates


def made(*templates: UpstreamTemplate, dataset: str = "demo", subset: str = ""):
    return import_set(
        UpstreamSet(dataset=dataset, subset=subset, file="templates.yaml", templates=templates)
    )


def theirs(jinja: str, choices: str | None = None, *, name: str = "ask", **metadata):
    return UpstreamTemplate(
        key="k1", name=name, jinja=jinja, answer_choices=choices, metadata=metadata
    )


@pytest.mark.parametrize(
    ("jinja", "choices", "prompt", "target"),
    [
        ("{{a}} so? ||| {{b}}", None, "{{ a }} so?", "{{ b }}"),
        # What decides whether anything is shown decides it for both.
        (
            "{% if a %}{{a}}|||{{b}}{% endif %}\n",
            None,
            "{% if a %}{{ a }}{% endif %}",
            "{% if a %}{{ b }}{% endif %}",
        ),
        (
            "{% if a %}X|||Y{% elif b %}Z|||V{% else %}{{c}}{% endif %}",
            None,
            "{% if a %}X{% elif b %}Z{% else %}{{ c }}{% endif %}",
            "{% if a %}Y{% elif b %}V{% endif %}",
        ),
        # Answer choices are the list that they come to.
        ("Q|||{{ answer_choices[label] }}", "Yes ||| No", "Q", "{{ ['Yes', 'No'][label] }}"),
        ("{{answer_choices[1]}}?|||{{a}}", "{{x}} ||| {{y}}", "{{ y | trim }}?", "{{ a }}"),
        (
            "Q|||{{ answer_choices | join(', ') }}",
            "no {{x}} ||| {{ xs | join('|||') }}",
            "Q",
            "{{ ([('no ' ~ x ~ ' ') | trim] + xs | map('trim') | list) | join(', ') }}",
        ),
        (
            "Q|||{{ answer_choices[0] }}",
            "{% if x %}A ||| B{% else %}C ||| D{% endif %}",
            "Q",
            "{{ (['A', 'B'] if x else ['C', 'D'])[0] }}",
        ),
        # Variables are what they stand for; a choice is the same wherever it is shown.
        (
            "{% set s = ['a', 'b'] | choice %}{{s}}?|||{{s}}",
            None,
            "{{ ['a', 'b'] | choice(chance, 1) }}?",
            "{{ ['a', 'b'] | choice(chance, 1) }}",
        ),
        (
            "{% set s = 1 %}{% if a %}{% set s = 2 %}{% endif %}Q|||{{s}}",
            None,
            "Q",
            "{{ 2 if a else 1 }}",
        ),
        # A loop's name never hides a field or what a variable stands for.
        (
            "{% set s = x %}{% for x in xs %}{{x}}{{s}}{% endfor %}|||{{ x }}",
            None,
            "{% for x_item in xs %}{{ x_item }}{{ x }}{% endfor %}",
            "{{ x }}",
        ),
        ("{{ ', '.join(xs) }}|||{{ a.text }}", None, "{{ xs | join(', ') }}", "{{ a['text'] }}"),
        ("{{ '@here' }} {{ '{' }}|||x", None, "@here {{ '{' }}", "x"),
        ("{{ answerKey }}|||{{ options[0] }}", None, "{{ answer_key }}", "{{ column_options[0] }}"),
    ],
)
def test_one_text_becomes_two(jinja, choices, prompt, target):
    """Prompt and target are cut apart; variables and answer choices are gone."""
    (template,) = made(theirs(jinja, choices)).templates

    assert (template.input, template.target) == (prompt, target)


@pytest.mark.parametrize(
    ("jinja", "reason"),
    [
        ("no separator", "it has no '|||' between prompt and target"),
        ("a ||| b ||| c", "it has more than one '|||'"),
        ("{% if a %}x|||{% endif %}y", "text follows a '|||' that stands under a condition"),
        ("{% if a %}{% if b %}x|||z{% endif %}{% else %}v|||w{% endif %}y", "text follows a"),
        ("{% for x in xs %}x|||y{% endfor %}", "'|||' stands in a loop"),
        ("|||y", "its prompt is empty"),
        ("x||| ", "its target is empty"),
        ("{{ a | join('|||') }}x|||y", "'|||' stands where it parts nothing"),
        ("{{ a |||| }}", "no valid Jinja"),
        ("{% include 'a' %}|||x", "it uses the tag of Include"),
        ("{% macro m() %}{% endmacro %}x|||y", "it uses the tag of Macro"),
        ("{{ a | tojson }}|||x", "found the filter 'tojson'"),
        ("{{ cycler(1) }}|||x", "it calls 'cycler'"),
        ("{{ zip(*a) }}|||x", "it calls 'zip' with named arguments"),
        ("{{ self }}|||x", "it uses the name 'self'"),
        ("{% set a.b = 1 %}x|||y", "it sets something other than one variable"),
        ("{% set a, b = c %}x|||y", "it sets something other than one variable"),
        ("{% if a %}{% set s = 1 %}{% endif %}{{s}}|||y", "it sets 's' under a condition only"),
        (
            "{% for x in a %}{% set i = loop %}{% for y in b %}{{i}}{% endfor %}{% endfor %}|||y",
            "a variable stands for the place in a loop around it",
        ),
        (
            "{% set a = a ~ a %}" * 30 + "{{ a }}|||y",
            "its variables make it too large",
        ),
        (
            "{% set a = a ~ 'x' %}" * 1_200 + "{{ a }}|||y",
            "its variables make it nested too deep",
        ),
        ("{% set a = a ~ 'x' %}" * 60 + "{{ a }}|||y", "found expressions or tags nested too deep"),
    ],
)
def test_what_cannot_be_said_is_left_out_with_the_reason(jinja, reason):
    """Whatever a template holds, it is imported or has a named reason."""
    imported = made(theirs(jinja))

    assert not imported.templates
    ((name, found),) = imported.left_out
    assert name == "ask"
    assert found.startswith(reason)


def test_only_answer_choices_that_are_shown_must_be_said():
    """A list made by a loop is no hindrance where neither prompt nor target shows it."""
    loop = "{% for x in xs %}{{x}}|||{% endfor %}"

    assert made(theirs("Q|||{{a}}", loop)).templates
    assert made(theirs("Q|||{{answer_choices[0]}}", loop)).left_out


def test_templates_that_ask_for_something_else_are_inverted():
    """Unless all of a file do: then that is what they ask for."""
    usual, other = theirs("x|||y", original_task=True), theirs("x|||y", original_task=False)

    assert [t.direction for t in made(usual, other).templates] == ["direct", "inverted"]
    assert [t.direction for t in made(other, other).templates] == ["direct", "direct"]


def test_names_become_ids_of_their_own():
    """Names of any kind become lower_snake_case, and no two the same."""
    names = ["Ask me!", "ask_me", "…?", "Ask me"]
    imported = made(*(theirs("x|||y", name=name) for name in names))

    assert [t.id for t in imported.templates] == ["ask_me", "ask_me_2", "template_k1", "ask_me_3"]


def test_fields_are_the_columns_that_are_read():
    """Each column has a field; names with a meaning of their own here are changed."""
    text = (
        "{{answerKey}}{{answers.text}}{{range}}{{_x}}{% for k in range(2) %}{{k}}{% endfor %}|||y"
    )

    assert made(theirs(text)).fields == {
        "column_x": "_x",
        "answer_key": "answerKey",
        "column_answers": "answers",
        "column_range": "range",
    }


def test_a_file_says_where_its_templates_come_from(tmp_path):
    """The template file is sound, marked as imported, and keeps what was said of each."""
    text = template_file(
        made(
            theirs("{{a}}\n\n- x|||{{b}}", choices_in_prompt=True, languages=["en"]),
            dataset="glue",
            subset="mnli",
        ),
        licence="Apache-2.0",
    )
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    loaded, findings = load_templates(tmp_path, "one")

    assert loaded is not None, findings
    assert loaded.origin == "imported"
    data = yaml.safe_load(text)
    assert data["licence"] == "Apache-2.0"
    assert data["authors"] == ["contributors of promptsource (BigScience)"]
    assert data["templates"][0]["note"] == (
        "promptsource: ask (k1); choices_in_prompt: true; languages: en"
    )


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("../../etc/passwd", "promptsource/_.._etc_passwd"),
        ("/abs", "promptsource/_abs"),
        ("Zaid/coqa_expanded", "promptsource/Zaid_coqa_expanded"),
        ("..", "promptsource/templates"),
    ],
)
def test_a_name_never_leads_out_of_the_folder(dataset, name):
    """What a file says of itself is made into one harmless file name."""
    assert made(theirs("x|||y"), dataset=dataset).name == name


def test_a_card_stub_has_all_but_what_only_a_person_can_know():
    """The stub names the columns; revision and sample are left to whoever fills it in."""
    stub = yaml.safe_load(card_stub(made(theirs("{{a}}|||{{b}}"), dataset="glue", subset="mnli")))

    assert stub["fields"]["a"] == {"value": "a", "type": "json", "optional": True}
    assert stub["templates"] == stub["id"] == "promptsource/glue_mnli"
    assert stub["source"] == {"kind": "hub", "dataset": "glue", "config": "mnli", "split": "train"}
    assert "sample" not in stub


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!python/object/apply:os.system ['echo']", "could not determine a constructor"),
        ("dataset: a\ntemplates: {k: !Other {name: n}}", "could not determine a constructor"),
        ("[1]", "found a list; expected a mapping"),
        ("dataset: a", "the key 'templates' is missing"),
        ("dataset: a\ntemplates: {k: !Template {jinja: x}}", "the key 'name' is missing"),
        ("dataset: a\ntemplates: {k: !Template {name: n}}", "found no text; expected one"),
        ("dataset: a\ntemplates: [1]", "found a list; expected a mapping"),
        (
            "dataset: a\ntemplates: {k: !Template {name: n, jinja: x, answer_choices: yes}}",
            "expected a text, or nothing",
        ),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text, message):
    """Nothing in a file is constructed, and what is no template file is named as such."""
    path = tmp_path / "templates.yaml"
    path.write_text(text, encoding="utf-8")
    upstream, findings = read(path, shown_as="templates.yaml")

    assert upstream is None
    assert message in findings[0].message
