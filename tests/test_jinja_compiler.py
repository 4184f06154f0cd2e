"""Compiled templates: text for text and error for error what sandboxed Jinja gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined

from mixture_builder import jinja_sandbox
from mixture_builder.canonical import RowMaker
from mixture_builder.card_files import load_cards
from mixture_builder.jinja_compiler import compile_expression, compile_text
from mixture_builder.jinja_sandbox import environment
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.template_files import load_templates, template_names
from mixture_builder.templates import PromptTemplate
from tests.makers import shipped_styles

TEXTS = st.one_of(
    st.sampled_from(["", " ", "yes", "No.", "a b  c", "{{ x }}", "3", "-1", "ß", "İ", "e\u0301"]),
    st.text(max_size=12),
)
ROWS = st.fixed_dictionaries(
    {
        "a": TEXTS,
        "b": TEXTS,
        "xs": st.lists(TEXTS, max_size=4),
        "n": st.integers(-3, 40),
        "empty": st.just(""),
    },
    optional={"sometimes": TEXTS, "x": TEXTS},
)
NAMES = ["a", "b", "xs", "n", "empty", "sometimes", "x", "missing"]
FILTERS = [
    "abs", "capitalize", "count", "first", "float", "int", "join", "join(', ')", "join(b)", "last",
    "length", "list", "lower", "replace('a', 'bb')", "replace(a, b)", "replace('', '-')", "round",
    "round(1)", "string", "title", "trim", "trim('.')", "unescape", "upper", "wordcount",
    "default('d')",
    "default('d', true)", "reverse", "sort", "unique | list", "max", "min", "sum", "int(7)",
    "map('upper') | list", "map('trim') | join('/')", "map('lower') | first", "select | list",
    "reject | list", "select('string') | first", "map(attribute='k') | list", "truncate(5)",
    "batch(2) | list", "slice(2) | list", "dictsort", "items | list", "float | string",
    "list | length", "replace('a', 'b', 1)", "join(d='+')",
]  # fmt: skip
METHODS = [
    "upper()", "lower()", "strip()", "split()", "split(' ')", "split(' ', 1)", "replace('a', 'b')",
    "startswith('a')", "endswith(b)", "count('a')", "find('b')", "index('b')", "title()",
    "partition(' ')", "isdigit()", "splitlines()", "removeprefix('a')", "format(1)", "encode()",
    "casefold()", "rsplit(maxsplit=1)",
]  # fmt: skip
CONSTANTS = ["'yes'", "''", "'a'", '"it\'s"', "'\\n'", "0", "1", "-1", "40", "1.5", "true", "none"]


def expressions() -> st.SearchStrategy[str]:
    """Source of expressions, most of them from the allow-list and some beyond it."""
    plain = st.one_of(st.sampled_from(NAMES), st.sampled_from(CONSTANTS))

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            st.tuples(inner, st.sampled_from(FILTERS)).map(lambda p: f"{p[0]} | {p[1]}"),
            st.tuples(inner, st.sampled_from(METHODS)).map(lambda p: f"({p[0]}).{p[1]}"),
            st.tuples(
                inner, st.sampled_from(["0", "-1", "9", "'k'", "1:", ":2", "n", "'upper'"])
            ).map(lambda p: f"({p[0]})[{p[1]}]"),
            st.tuples(pair, st.sampled_from(["==", "!=", "<", ">=", "in", "not in"])).map(
                lambda p: f"({p[0][0]}) {p[1]} ({p[0][1]})"
            ),
            st.tuples(pair, st.sampled_from(["and", "or", "~", "+", "-", "*", "//", "%", "/"])).map(
                lambda p: f"({p[0][0]}) {p[1]} ({p[0][1]})"
            ),
            inner.map(lambda e: f"not ({e})"),
            inner.map(lambda e: f"-({e})"),
            st.lists(inner, max_size=3).map(lambda es: "[" + ", ".join(es) + "]"),
            st.lists(inner, min_size=2, max_size=2).map(lambda es: "(" + ", ".join(es) + ")"),
            pair.map(lambda p: "{'k': " + p[0] + ", 'l': " + p[1] + "}"),
            pair.map(lambda p: "{" + p[0] + ": " + p[1] + "}"),
            st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
            pair.map(lambda p: f"({p[0]} if {p[1]})"),
            st.tuples(inner, st.sampled_from(["defined", "string", "none", "divisibleby(3)"])).map(
                lambda p: f"({p[0]}) is {p[1]}"
            ),
            st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} < {p[1]} <= {p[2]})"),
        )

    return st.recursive(plain, grow, max_leaves=5)


PLAIN_TEXT = st.one_of(
    st.sampled_from(
        ["\n", " ", "Question: ", "{", "}", "%}", "'\"\\", "\r\n", "\u2028", "{# c #}"]
    ),
    st.text(alphabet="ab \n.é日\\'\"{}", max_size=6),
)


def templates() -> st.SearchStrategy[str]:
    """Source of templates: text, output, conditions and loops."""
    printed = st.tuples(
        expressions(), st.sampled_from([("{{ ", " }}"), ("{{- ", " -}}"), ("{{", " -}}")])
    ).map(lambda p: f"{p[1][0]}{p[0]}{p[1][1]}")

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.lists(inner, max_size=4).map("".join),
            st.tuples(expressions(), inner).map(
                lambda p: "{% if " + p[0] + " %}" + p[1] + "{% endif %}"
            ),
            st.tuples(expressions(), inner, expressions(), inner, inner).map(
                lambda p: (
                    "{%- if " + p[0] + " %}" + p[1] + "{% elif " + p[2] + " -%}" + p[3]
                    + "{% else %}" + p[4] + "{% endif %}"
                )
            ),
            st.tuples(
                st.sampled_from(["x", "a", "w", "k, v"]),
                expressions(),
                st.sampled_from(["", " if x", " if w"]),
                inner,
                st.sampled_from(["", "{% else %}none"]),
                st.sampled_from(["{{ x }}", "{{ w }}", "{{ loop.index }}", ""]),
            ).map(
                lambda p: (
                    f"{{% for {p[0]} in {p[1]}{p[2]} %}}" + p[3] + p[5] + p[4] + "{% endfor %}"
                )
            ),
        )  # fmt: skip

    return st.recursive(st.one_of(PLAIN_TEXT, printed), grow, max_leaves=6)


def jinja_text(source: str, row: dict[str, Any]) -> str | Exception:
    """What sandboxed Jinja itself gives for a whole row."""
    try:
        return environment().from_string(source).render(row).strip()
    except Exception as problem:  # noqa: BLE001  (errors are what is compared)
        return problem


def assert_same(found: object, wanted: object) -> None:
    if isinstance(wanted, Exception):
        assert type(found) is type(wanted)
        assert str(found) == str(wanted)
    else:
        assert type(found) is type(wanted)
        assert found == wanted


RELAXED = settings(
    max_examples=600,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@given(source=templates(), rows=st.lists(ROWS, min_size=1, max_size=3))
@RELAXED
def test_random_templates_render_as_jinja_renders_them(source, rows):
    """Text for text and error for error, on any template and rows, each row by itself."""
    try:
        compiled = compile_text(source)
    except TemplateSyntaxError:
        assume(False)
        raise
    names = set(rows[0]).intersection(*rows)
    columns = {name: [row[name] for row in rows] for name in names}
    shown = compiled.render_many(columns, len(rows))

    assert len(shown) == len(rows)
    for found, row in zip(shown, rows, strict=True):
        assert_same(found, jinja_text(source, {name: row[name] for name in names}))


@given(
    source=expressions(),
    record=st.fixed_dictionaries(
        {
            "a": st.one_of(TEXTS, st.none(), st.integers(-2, 2)),
            "b": TEXTS,
            "xs": st.lists(st.one_of(TEXTS, st.fixed_dictionaries({"k": TEXTS})), max_size=3),
            "n": st.one_of(st.integers(-3, 3), st.floats(allow_nan=False, width=16)),
            "empty": st.sampled_from(["", [], {}, {"k": "v"}]),
        },
        optional={"sometimes": TEXTS, "x": TEXTS, "record": TEXTS},
    ),
    whole=st.booleans(),
)
@example(
    source="(a)['upper']", record={"a": "", "b": "", "xs": [], "n": 0, "empty": ""}, whole=False
)
@RELAXED
def test_random_expressions_evaluate_as_jinja_evaluates_them(source, record, whole):
    """Value for value, type for type and error for error, on any upstream record."""
    if whole:
        source = f"record['a'] | default({source}, true)"
    try:
        compiled = compile_expression(source)
    except TemplateSyntaxError:
        assume(False)
        raise
    wanted: Any
    try:
        wanted = environment().compile_expression(source, undefined_to_none=False)(
            {**record, "record": record}
        )
        if isinstance(wanted, (StrictUndefined, jinja_sandbox.OnlyCallable)):
            str(wanted)
        wanted = None if isinstance(wanted, Undefined) else wanted
    except Exception as problem:  # noqa: BLE001  (errors are what is compared)
        wanted = problem
    assume(not isinstance(wanted, Iterator))
    found: Any
    try:
        found = compiled(record)
    except Exception as problem:  # noqa: BLE001  (errors are what is compared)
        found = problem

    if isinstance(wanted, Exception):
        assert_same(found, wanted)
    else:
        assert type(found) is type(wanted)
        assert repr(found) == repr(wanted)


def texts_of(template: PromptTemplate) -> list[str]:
    texts = [template.input, template.target, template.instruction]
    return [t for t in [*texts, template.few_shot_input, template.few_shot_target] if t]


def rows_of_samples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of the sample records of all shipped cards, by the name of their templates."""
    cards, findings = load_cards(cards_folder())
    assert not findings
    seen: dict[str, int] = {}
    for card in cards.values():
        seen[card.templates] = seen.get(card.templates, 0) + 1
        if seen[card.templates] > 6:
            continue
        for record in card.sample:
            row = RowMaker(card.sources[0]).row(dict(record))
            if isinstance(row, dict):
                yield card.templates, row


def drawn_names(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the names that are made when an example is drawn."""
    full = dict(row)
    if "options" in row:
        right = row["options"][row["answer_index"]]
        style = shipped_styles().option_style(12_345)
        full |= {"answer": right, "answer_text": right, "options_text": style.text(row["options"])}
    if "answers" in row:
        full["answer"] = row["answers"][0]
    if "turns" in row:
        full["dialog_text"] = shipped_styles().dialog_style(12_345).text(row["turns"])
    return full


def test_shipped_templates_render_as_jinja_renders_them():
    """On the sample rows of every card, with options shown and not, all templates agree."""
    samples: dict[str, list[dict[str, Any]]] = {}
    for name, row in rows_of_samples():
        samples.setdefault(name, []).append(drawn_names(row))
    compared = 0
    for name, rows in samples.items():
        loaded, findings = load_templates(templates_folder(), name)
        assert loaded is not None, findings
        for template in loaded.templates:
            for source in texts_of(template):
                for row in rows:
                    shown = {**row, "empty": ""}
                    for changed in ({}, {"options_text": ""}):
                        full = {**shown, **changed}
                        columns = {key: [value] for key, value in full.items()}
                        (found,) = compile_text(source).render_many(columns, 1)
                        assert_same(found, jinja_text(source, full))
                        compared += 1
    assert compared > 1000


def test_quickstart_rows_render_as_jinja_renders_them(quickstart):
    """All rows of the quickstart tasks, through all their templates, come out the same."""
    from mixture_builder.io.stored_rows import StoredRows
    from mixture_builder.io.stored_task import task_folder

    for task, card in quickstart.mixture.cards.items():
        stored = quickstart.stored[task]
        rows = StoredRows(
            task_folder(quickstart.store, task, stored.fingerprint), expected_rows=stored.rows
        )
        import numpy as np

        columns = rows.columns(rows.fields, np.arange(stored.rows))
        full = [
            drawn_names({name: columns[name][i] for name in rows.fields})
            for i in range(stored.rows)
        ]
        by_name = {name: [row[name] for row in full] for name in full[0]}
        for template in quickstart.mixture.templates[card.templates].templates:
            for source in texts_of(template):
                shown = compile_text(source).render_many(by_name, len(full))
                for found, row in list(zip(shown, full, strict=True))[::4]:
                    assert_same(found, jinja_text(source, row))


def test_shipped_templates_and_fields_are_compiled():
    """No template and no field that comes with the package is left to slow Jinja."""
    slow = {}
    for name in template_names(templates_folder()):
        loaded, _ = load_templates(templates_folder(), name)
        assert loaded is not None
        for template in loaded.templates:
            for source in texts_of(template):
                if compile_text(source).fallback:
                    slow[name, template.id] = compile_text(source).fallback

    assert not slow


def test_one_bad_row_does_not_hide_the_others():
    """Where a row fails its error stands in its place, and the rest is rendered."""
    shown = compile_text("{{ xs[1] }}").render_many({"xs": [["a", "b"], ["c"], ["d", "e"]]}, 3)

    assert shown[0] == "b"
    assert isinstance(shown[1], Exception)
    assert shown[2] == "e"


def test_a_column_that_is_not_there_is_an_error_only_where_it_is_read():
    """A name behind a condition that does not hold is never asked for, as in Jinja."""
    source = "{% if n %}{{ missing }}{% endif %}ok"
    shown = compile_text(source).render_many({"n": [0, 1]}, 2)

    assert shown[0] == "ok"
    assert "'missing' is undefined" in str(shown[1])


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{% for x in xs %}{{ x }}{% endfor %}{{ x }}", "pqr"),
        ("{{ x }}{% for x in xs %}{{ x }}{% endfor %}", "rpq"),
        ("{% for x in x %}{{ x }}{% endfor %}", "r"),
        ("{% for x in xs %}{% for x in x %}{{ x }}{% endfor %}{{ x }}{% endfor %}", "ppqq"),
    ],
)
def test_a_loop_hides_a_field_of_its_name_and_gives_it_back(source, shown):
    """Inside a loop its variable counts, around it the row's field."""
    compiled = compile_text(source)

    assert compiled.fallback == ""
    assert compiled.render_many({"xs": [["p", "q"]], "x": ["r"]}, 1) == [shown]


def test_a_long_chain_of_conditions_is_left_to_jinja():
    """Where Python's parser cannot follow, Jinja renders, and the text is the same."""
    source = "{% if n == 0 %}0" + "".join(f"{{% elif n == {i} %}}{i}" for i in range(1, 300))
    compiled = compile_text(source + "{% endif %}")

    assert compiled.fallback == "expressions nested too deep"
    assert compiled.render_many({"n": [0, 7, 299, 300]}, 4) == ["0", "7", "299", ""]
