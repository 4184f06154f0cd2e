"""The sandbox: cards and templates are data, and nothing in them reaches further."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError, TemplateSyntaxError

from mixture_builder.jinja_bounds import MAX_ITEMS, MAX_TEXT
from mixture_builder.jinja_compiler import compile_expression, compile_text
from mixture_builder.jinja_parsing import MAX_LOOP_DEPTH, names_used, parse, parse_expression
from mixture_builder.jinja_running import describe, expression_function, render_function
from mixture_builder.jinja_sandbox import (
    FILTER_NAMES,
    FUNCTION_NAMES,
    TEST_NAMES,
    environment,
)

ROW = {"text": "a text", "words": ["one", "two"], "n": 3, "record": {"key": "value"}}

ESCAPES = [
    "{{ text.__class__ }}",
    "{{ text.__class__.__mro__[1].__subclasses__() }}",
    "{{ text['__class__'] }}",
    "{{ text['__class__']['__mro__'] }}",
    "{{ words.__len__() }}",
    "{{ words.append('x') }}",
    "{{ words.pop() }}",
    "{{ words['append'] }}",
    "{{ record.items() }}",
    "{{ record.update({'key': 'x'}) }}",
    "{{ record.clear() }}",
    "{{ n.bit_length() }}",
    "{{ n.__add__(1) }}",
    "{{ text.encode() }}",
    "{{ text.format(1) }}",
    "{{ '{0.__class__}'.format(text) }}",
    "{{ '{0.__class__}'.format_map({'0': text}) }}",
    "{{ '{}'['format'](text) }}",
    "{{ text.join(words) }}",
    "{{ text.center(1000000000) }}",
    "{{ text.ljust(1000000000) }}",
    "{{ text.zfill(1000000000) }}",
    "{{ text.expandtabs(1000000000) }}",
    "{{ text.translate({}) }}",
    "{{ '%1000000000d' % 5 }}",
    "{{ '%s' % text }}",
    "{{ text * 1000000000 }}",
    "{{ 1000000000 * text }}",
    "{{ words * 1000000000 }}",
    "{{ 9 ** 9 }}",
    "{{ 2 ** 1000000000 }}",
    "{{ 9223372036854775808 * 2 }}",
    "{{ words | map('__class__') | list }}",
    "{{ words | selectattr('__class__') | list }}",
    "{{ words | sort(attribute='__class__') | list }}",
    "{{ words | sum(attribute='__class__') }}",
    "{% for w in words %}{{ loop.__class__ }}{% endfor %}",
    "{% for w in words %}{{ loop._iterable }}{% endfor %}",
    "{% for w in words %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for w in words %}{{ loop.changed(w) }}{% endfor %}",
    "{{ [1] | batch(1000000000, 'x') | list }}",
    "{{ text | slice(1000000000) | list }}",
    "{{ 5 | round(1000000000, 'ceil') }}",
    "{{ 5 | round(-1000000000, 'floor') }}",
    "{{ range(1000000000) }}",
    "{{ range(1001) }}",
    "{{ range.__call__(1) }}",
    "{{ zip(words).append(1) }}",
    "{{ words.append('x') }}",
    "{{ words.index.__self__ }}",
    "{{ [] | choice(1) }}",
    "{{ 5 | choice(1) }}",
    "{{ lipsum() }}",
    "{{ cycler('a') }}",
    "{{ namespace() }}",
    "{{ dict() }}",
    "{{ joiner() }}",
    "{{ missing }}",
    "{{ missing.attribute }}",
    "{{ text.missing }}",
    "{{ record.missing }}",
    "{{ words[9] }}",
    "{{ text.upper }}",
    "{{ text['upper'] }}",
    "{{ [text.upper] }}",
    "{{ text.upper ~ '' }}",
    "{{ text.upper | string }}",
    "{{ [text.upper] | join }}",
    "{{ text.upper == 1 }}",
    "{% if text.upper %}a{% endif %}",
    "{{ {text.upper: 1} }}",
    "{{ {'a': text.upper} }}",
    "{{ words.index }}",
    "{{ words.index | length }}",
    "{{ range }}",
    "{{ [zip] }}",
    "{% for w in words %}{{ loop.cycle }}{% endfor %}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_what_reaches_out_of_the_row_fails_when_it_is_rendered(source):
    """Classes, foreign methods, growth without end, globals: each is an error of the row."""
    render = render_function(source)
    with pytest.raises((TemplateError, TypeError)):
        render(ROW)

    (result,) = compile_text(source).render_many({k: [v] for k, v in ROW.items()}, 1)
    assert isinstance(result, Exception)
    assert describe(result)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ text.upper }}", "'upper' is not called; write upper()"),
        ("{{ range }}", "'range' is not called; write range()"),
    ],
)
def test_a_method_that_is_not_called_is_named(source, said):
    """What would print an address in memory says what was forgotten."""
    (result,) = compile_text(source).render_many({k: [v] for k, v in ROW.items()}, 1)

    assert isinstance(result, Exception)
    assert said in describe(result)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ words | map('upper') }}", "['ONE', 'TWO']"),
        ("{{ words | reverse }}", "['two', 'one']"),
        ("{{ words | select }}", "['one', 'two']"),
        ("{{ words | unique }}", "['one', 'two']"),
        ("{{ words | map('upper') ~ '' }}", "['ONE', 'TWO']"),
        ("{{ record | items }}", "[('key', 'value')]"),
        ("{{ text.upper() }}", "A TEXT"),
        ("{{ words.index('two') }}", "1"),
    ],
)
def test_nothing_shows_where_it_stands_in_memory(source, text):
    """What Jinja makes lazily is a list here, so that its text is the same in every run."""
    assert compile_text(source).render_many({k: [v] for k, v in ROW.items()}, 1) == [text]


def test_a_whole_text_is_bounded():
    """Loops in loops over a long text end with an error, not with a full memory."""
    source = "{% for a in range(1000) %}{% for b in range(1000) %}{{ t }}{% endfor %}{% endfor %}"
    (result,) = compile_text(source).render_many({"t": ["x" * 5_000]}, 1)

    assert isinstance(result, Exception)
    assert "more than 100,000,000 characters" in describe(result)


def in_loops(bound: str, shown: str) -> str:
    """Shows something of y, which is to x what x is to the field `long`."""
    loops = f"{{% for x in {bound} %}}{{% for y in {bound.replace('long', 'x')} %}}"
    return loops + shown + "{% endfor %}{% endfor %}"


MANY = ", ".join(["long"] * 900)

WRITTEN = [
    in_loops(f"[[{MANY}]]", shown % f"[{MANY.replace('long', 'y')}]")
    for shown in (
        "{{ %s }}",
        "{{ %s | string }}",
        "{{ %s is lower }}",
        "{{ %s ~ '' }}",
        "{{ long.replace(%s, '') }}",
        "{{ [1, 2] | choice(1, %s) }}",
        "{{ '' | default(%s, true) | trim }}",
        "{{ [%s] | first }}",
    )
]

SWELLING = [
    *[(source, "a list would be written with more than 16,000,000") for source in WRITTEN],
    ("{{ words" + " | list | string" * 22 + " }}", "a list would be written with more than"),
    ("{{ words" + " | upper | list" * 22 + " }}", "a list would be written with more than"),
    ("{{ " + "(" * 15 + "words" + " ~ '') | list" * 15 + " }}", "more than 16,000,000"),
    ("{{ words" + " | join(', ')" * 40 + " }}", "join would make more than 16,000,000"),
    ("{{ words | join(long | join(long)) | list | join(long) }}", "join would make more than"),
    ("{{ [record] | join(long | join(long), attribute='key') | list | join(long) }}", "join would"),
    ("{{ range(1000) | map('replace', '1', long | join(long[:2000])) }}", "map would make"),
    (in_loops("[" + " ~ ".join(["long"] * 50) + "]", "{{ y ~ y }}"), "more than 16,000,000"),
    (in_loops("[" + " + ".join(["long"] * 45) + "]", "{{ y + y }}"), "+ would make more than"),
    ("{{ zip(" + ", ".join(["long | list"] * 9_000) + ") | length }}", "zip would make more than"),
]


def test_nothing_swells_beyond_its_bound():
    """However often texts are joined or lists written, no operation makes more than its limit.

    In a process of its own with two gigabytes: what is not bounded fills them.
    """
    code = (
        "import json, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from mixture_builder.jinja_compiler import compile_expression, compile_text\n"
        "from mixture_builder.jinja_running import describe\n"
        "row = json.loads(sys.stdin.readline())\n"
        "for line in sys.stdin:\n"
        "    columns = {name: [value] for name, value in row.items()}\n"
        "    result = compile_text(json.loads(line)).render_many(columns, 1)[0]\n"
        "    said = describe(result) if isinstance(result, Exception) else result[:80]\n"
        "    print(json.dumps([type(result).__name__, said]))\n"
    )
    row = {**ROW, "long": "abcdefghij" * 500}
    lines = [json.dumps(given) for given in (row, *(source for source, _ in SWELLING))]

    done = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )

    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(SWELLING)
    for (kind, said), (source, expected) in zip(found, SWELLING, strict=True):
        assert kind == "SecurityError", (source[:100], said)
        assert expected in said


REFUSED = [
    ("{% include 'a' %}", "'include' is not allowed"),
    ("{% import 'a' as b %}", "'import' is not allowed"),
    ("{% from 'a' import b %}", "'import' is not allowed"),
    ("{% extends 'a' %}", "'extends' is not allowed"),
    ("{% block b %}{% endblock %}", "'block' is not allowed"),
    ("{% macro m() %}{% endmacro %}", "'macro' is not allowed"),
    ("{% call text() %}{% endcall %}", "'call' is not allowed"),
    ("{% filter upper %}a{% endfilter %}", "'filter block' is not allowed"),
    ("{% set a = 1 %}", "'set' is not allowed"),
    ("{% set a %}b{% endset %}", "'set' is not allowed"),
    ("{% with a = 1 %}{% endwith %}", "'with' is not allowed"),
    ("{% autoescape true %}{% endautoescape %}", "'autoescape' is not allowed"),
    ("{% for a in b recursive %}{{ loop(a) }}{% endfor %}", "a recursive loop is not allowed"),
    ("{{ self }}", "the name 'self' is not allowed"),
    ("{{ super() }}", "the name 'super' is not allowed"),
    ("{{ a | attr('__class__') }}", "found the filter 'attr'; expected one of abs, batch"),
    ("{{ a | format(b) }}", "found the filter 'format'"),
    ("{{ a | pprint }}", "found the filter 'pprint'"),
    ("{{ a | xmlattr }}", "found the filter 'xmlattr'"),
    ("{{ a | center(1000000000) }}", "found the filter 'center'"),
    ("{{ a | indent(1000000000) }}", "found the filter 'indent'"),
    ("{{ a | random }}", "found the filter 'random'"),
    ("{{ a | safe }}", "found the filter 'safe'"),
    ("{{ a is callable }}", "found the test 'callable'; expected one of boolean, defined"),
    ("{{ a is filter }}", "found the test 'filter'"),
    ("{{ a", "unexpected end of template"),
    ("{% if a %}", "Unexpected end of template"),
    ("{% do a.b() %}", "unknown tag 'do'"),
    ("{% for a in b %}{% break %}{% endfor %}", "unknown tag 'break'"),
    ("{% trans %}{% endtrans %}", "unknown tag 'trans'"),
    ("{{ a b }}", "expected token"),
    ("{{ " + "9" * 5000 + " }}", "4300 digits"),
    ("{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}", "nested too deep"),
    ("{{ a" + " | trim" * 500 + " }}", "nested too deep"),
    ("{{ " + " and ".join(["a"] * 500) + " }}", "nested too deep"),
    ("{% if a %}" * 500 + "{% endif %}" * 500, "nested too deep"),
]


@pytest.mark.parametrize(("source", "reason"), REFUSED)
def test_what_is_no_template_here_is_refused_when_it_is_read(source, reason):
    """Tags, filters and tests outside the list, and texts no parser can follow, have a reason."""
    for function in (parse, compile_text):
        with pytest.raises(TemplateSyntaxError) as caught:
            function(source)
        assert reason in str(caught.value.message)
        assert caught.value.lineno >= 1


@pytest.mark.parametrize("attribute", ["__class__", "upper", "append"])
def test_filters_see_no_more_of_a_value_than_templates_do(attribute):
    """`map(attribute=...)` finds nothing where an attribute is not allowed."""
    shown = render_function(f"{{{{ [words] | map(attribute='{attribute}') | list }}}}")(ROW)

    assert shown == "[Undefined]"


def test_loops_nest_no_deeper_than_allowed():
    """Loops in loops multiply; beyond the limit they are refused."""

    def nested(depth: int) -> str:
        return "{% for a in words %}" * depth + "{{ a }}" + "{% endfor %}" * depth

    assert compile_text(nested(MAX_LOOP_DEPTH)).names == ("words",)
    with pytest.raises(TemplateSyntaxError, match="found loops nested 3 deep; expected at most 2"):
        parse(nested(MAX_LOOP_DEPTH + 1))
    aside = "{% for a in words %}{% endfor %}" * 5
    assert compile_text(aside).render_many({"words": [["x"]]}, 1) == [""]


@pytest.mark.parametrize("form", ["{{ text | replace(%s, big) }}", "{{ text.replace(%s, big) }}"])
@pytest.mark.parametrize("old", ["''", "'a'"])
def test_a_replacement_cannot_blow_up_a_text(form, old):
    """What `replace` would make is worked out before it is made."""
    source = form % old
    row = {"text": "a" * 5000, "big": "b" * 4000}
    assert len(row["text"]) * len(row["big"]) > MAX_TEXT

    (result,) = compile_text(source).render_many({k: [v] for k, v in row.items()}, 1)
    assert "replace would make a text of more than" in str(result)
    (small,) = compile_text(source).render_many({"text": ["aba"], "big": ["c"]}, 1)
    assert small == "aba".replace(old.strip("'"), "c")


def test_groups_are_filled_up_to_a_bound():
    """`batch` and `slice` work as Jinja's own, up to a number of items."""
    assert render_function("{{ w | batch(2, '-') | list }}")({"w": [1, 2, 3]}) == (
        "[[1, 2], [3, '-']]"
    )
    assert render_function("{{ w | slice(2) | list }}")({"w": [1, 2, 3]}) == "[[1, 2], [3]]"
    with pytest.raises(TemplateError, match="more than 100,000 items"):
        render_function("{{ w | batch(n) | list }}")({"w": [1], "n": MAX_ITEMS + 1})


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("{{ a }}{{ b[c] }}", {"a", "b", "c"}),
        ("{% for x in xs %}{{ x }}{{ y }}{% endfor %}", {"xs", "y"}),
        ("{% for x in xs %}{{ x }}{% endfor %}{{ x }}", {"xs", "x"}),
        ("{% for x in x %}{{ x }}{% endfor %}", {"x"}),
        ("{% for x in xs if x and z %}{% else %}{{ x }}{% endfor %}", {"xs", "z", "x"}),
        ("{% for k, v in xs %}{{ k }}{{ v }}{{ loop.index }}{% endfor %}", {"xs"}),
        ("{{ loop }}", {"loop"}),
        ("{% if a is defined %}b{% endif %}", {"a"}),
        ("{{ record['a'].b }}", {"record"}),
        ("{{ 'a' ~ 1 }}{# b #}", set()),
    ],
)
def test_the_names_of_a_template_are_those_it_reads_from_its_row(source, names):
    """A loop's variable counts outside its loop only."""
    assert names_used(parse(source)) == names
    assert set(compile_text(source).names) == names


@pytest.mark.parametrize(
    "source", ["a }} b", "a }}{{ b", "", "{{ a }}", "a) }}{% if a %}{% endif %}{{ (b", "a; b"]
)
def test_a_field_is_one_expression(source):
    """Text around an expression, braces, and two expressions are refused."""
    with pytest.raises(TemplateSyntaxError):
        parse_expression(source)
    with pytest.raises(TemplateSyntaxError):
        compile_expression(source)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("['yes', 'no'][label]", "no"),
        ("{'a': {'b': 1}}['a']['b']", 1),
        ("'}}' ~ '{{'", "}}{{"),
        ("record['Complete Question'] | trim", "Why?"),
        ("record.label", 1),
        ("none", None),
        ("\n label\n", 1),
    ],
)
def test_an_expression_keeps_the_type_of_its_value(source, value):
    """Numbers stay numbers, and keys that are no identifiers are found in `record`."""
    record = {"label": 1, "Complete Question": " Why? "}

    assert compile_expression(source)(record) == value


@pytest.mark.parametrize("source", ["missing", "[] | first", "record.missing", "a[5]"])
def test_an_undefined_expression_is_an_error(source):
    """Nothing comes out as nothing by accident."""
    with pytest.raises(TemplateError, match=r"undefined|No first item|no attribute|no element"):
        expression_function(source)({"a": [1], "record": {}})


def test_an_if_without_else_gives_nothing_where_it_does_not_hold():
    """Such an expression means: nothing, not an error; optional fields are written so."""
    assert compile_expression("a if a")({"a": ""}) is None
    assert compile_expression("a if a")({"a": "x"}) == "x"


def test_only_pure_filters_and_tests_are_there():
    """The environment holds exactly the lists, and no global but two functions."""
    env = environment()

    assert sorted(env.filters) == sorted(FILTER_NAMES)
    assert {name for name in env.tests if name.isidentifier()} == set(TEST_NAMES)
    assert set(env.globals) == FUNCTION_NAMES
    assert not env.autoescape


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for i in range(words | length) %}{{ i }}{{ words[i] }}{% endfor %}", "0a1b2a"),
        ("{% for i in range(1, 9, 4) %}{{ i }}{% endfor %}", "15"),
        ("{% for w, n in zip(words, [1, 2]) %}{{ w }}{{ n }}{% endfor %}", "a1b2"),
        ("{{ zip(words) }}", "[('a',), ('b',), ('a',)]"),
        ("{{ words.index('b') }}{{ words.count('a') }}", "12"),
        ("{{ words | most_frequent | join }}{{ [] | most_frequent }}", "aNone"),
        ("{{ range }}", "a field"),
    ],
)
def test_lists_can_be_counted_through_and_searched(source, text):
    """`range`, `zip`, methods of lists and `most_frequent` do what they do in Python."""
    values: dict[str, list[Any]] = {"words": [["a", "b", "a"]], "range": ["a field"]}

    assert compile_text(source).render_many(values, 1) == [text]


def test_html_entities_become_the_characters_they_stand_for():
    """`unescape` knows entities by name and by number, once, and lets a lone `&` be."""
    texts = ["Q&amp;A &#39;&#x27; &quot;", "&amp;lt;", "A & B &cd;"]

    made = compile_text("{{ text | unescape }}").render_many({"text": texts}, len(texts))

    assert made == ["Q&A '' \"", "&lt;", "A & B &cd;"]


def test_functions_are_no_fields():
    """A template that calls `range` needs no field of that name."""
    assert compile_text("{% for i in range(n) %}{{ zip(a) }}{% endfor %}").names == ("a", "n")


def test_choice_follows_from_the_chance_of_the_example():
    """The same chance chooses the same; over many, each item comes about as often."""
    text = compile_text("{{ ['a', 'b', 'c'] | choice(chance, 1) }}")
    chances = {"chance": list(range(3_000))}
    once = text.render_many(chances, 3_000)

    assert text.render_many(chances, 3_000) == once
    assert not text.fallback
    counts = Counter(once)
    assert set(counts) == {"a", "b", "c"}
    assert min(counts.values()) > 900
    other = compile_text("{{ ['a', 'b', 'c'] | choice(chance, 2) }}")
    assert other.render_many(chances, 3_000) != once


@given(st.text(alphabet="{}%#ab()[]'\"|~.,:0 \n-+*", max_size=30))
def test_any_text_is_a_template_or_a_syntax_error(source):
    """Whatever is written, reading it never fails in another way."""
    for function in (compile_text, compile_expression):
        with contextlib.suppress(TemplateSyntaxError):
            assert function(source).source == source
