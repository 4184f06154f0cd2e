"""Jinja written for a syntax tree reads back as that tree."""

from __future__ import annotations

import pytest

from mixture_builder.imports.jinja_source import NotWritableError, write_template
from mixture_builder.jinja_parsing import parse, parse_any
from mixture_builder.shipped import templates_folder
from mixture_builder.template_files import load_templates, template_names


@pytest.mark.parametrize(
    "source",
    [
        "plain text { with } braces",
        "{{ '{{ ' }}x{{ a }}{{ '{' }}{{ b }}",
        "{{ (a | b)[0] | c(1, 'x', d=e) }}",
        "{{ (a + b) * c - -1 }}{{ -(a | abs) }}{{ (-a) | abs }}{{ (1, 2)[0] }}{{ (a,) }}",
        "{{ (a if b else c) if d else (e if f) }}",
        "{{ not (a and b or c) }}{{ (not a) and b }}{{ a == b and c != d }}{{ 1 < x <= 3 }}",
        "{{ a in b }}{{ a not in [1, 2.5, none, true] }}{{ x is divisibleby 3 }}",
        "{{ not x is none }}",
        "{{ {'a': 1, 'b': [2]}['a'] }}{{ a[1:] }}{{ a[:-1] }}{{ a[::2] }}{{ a[b | length - 1] }}",
        "{{ 'it\\'s' }}{{ \"a \\\"b\\\" 'c'\" }}{{ 'back\\\\slash\\n\\ttab é' }}",
        "{{ a ~ b ~ (c | trim) }}{{ (a ~ b) | trim }}{{ a.b.c('d') }}",
        "{% if a %}1{% elif b %}2{% elif c %}{% else %}3{% endif %}",
        "{% for x in a if x %}{{ x }}{{ loop.index }}{% else %}none{% endfor %}",
        "{% for x, y in (a if b else c) %}{{ x }}{% endfor %}",
    ],
)
def test_what_is_written_reads_as_the_same_tree(source):
    """Parentheses, quotes and braces are put where the text would otherwise say something else."""
    tree = parse_any(source)

    assert parse_any(write_template(tree.body)) == tree


def test_all_our_own_templates_can_be_written():
    """Every text that ships reads back as its own tree."""
    folder = templates_folder()
    for name in template_names(folder)[::7]:
        loaded, _ = load_templates(folder, name)
        assert loaded is not None
        for template in loaded.templates:
            for text in (template.input, template.target):
                assert parse(write_template(parse(text).body)) == parse(text)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% set a = 1 %}", "the tag of Assign"),
        ("{% macro m() %}{% endmacro %}", "the tag of Macro"),
        ("{{ f(*a) }}", "arguments made of a list or a mapping"),
        ("{{ a ** b }}", "an expression of kind Pow"),
    ],
)
def test_what_has_no_place_in_a_template_is_refused(source, reason):
    """Nothing is written that the sandbox would have to refuse."""
    with pytest.raises(NotWritableError, match=reason):
        write_template(parse_any(source).body)
