"""Pieces of rendered templates: whose words they are, and that nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mixture_builder.jinja_parsing import parse
from mixture_builder.jinja_pieces import text_pieces
from tests.test_jinja_compiler import ROWS, jinja_text, templates


@given(source=templates(), row=ROWS)
def test_pieces_put_together_are_the_rendered_text(source, row):
    """Whatever a template prints, its pieces are that text, letter for letter."""
    try:
        parse(source)
    except Exception:  # noqa: BLE001  (most random texts are no templates)
        assume(False)
    wanted = jinja_text(source, row)
    assume("object at 0x" not in str(wanted))  # a generator that is printed as such

    if isinstance(wanted, Exception):
        with pytest.raises(type(wanted)):
            text_pieces(source, row)
    else:
        pieces = text_pieces(source, row)
        assert "".join(piece.text for piece in pieces) == wanted
        assert all(piece.text for piece in pieces)


@given(a=st.text(max_size=8), b=st.text(min_size=1, max_size=8))
def test_a_value_is_told_from_words_that_look_like_it(a, b):
    """What a field gave is known as such, even where the template says the same beside it."""
    assume("{" not in a + b)
    assume("\r" not in a + b)

    pieces = text_pieces("<" + a + "{{ a }}" + "{{ b }}" + a + ">", {"a": a, "b": b})

    assert [(p.text, p.names) for p in pieces] == [
        (text, names)
        for text, names in [(f"<{a}", ()), (a, ("a",)), (b, ("b",)), (f"{a}>", ())]
        if text
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ a | upper }} {{ a ~ b }}", [("X", ("a",)), (" ", ()), ("xy", ("a", "b"))]),
        ("{% if a %}{{ b }}{% endif %}", [("y", ("b",))]),
        (
            "{% for w in xs %}{{ w }}.{% endfor %}",
            [("1", ("xs",)), (".", ()), ("2", ("xs",)), (".", ())],
        ),
        ("{% for w in xs %}{{ loop.index }}{% endfor %}", [("1", ()), ("2", ())]),
        (
            "{% for w in xs %}{% for v in w %}{{ v }}{% endfor %}{% endfor %}{{ b }}",
            [("1", ("xs",)), ("2", ("xs",)), ("y", ("b",))],
        ),
        ("\n {{ blank }} {{ a }} \n", [("x", ("a",))]),
    ],
)
def test_pieces_name_the_fields_that_they_were_filled_from(source, expected):
    """A piece names what is printed, not what was only tested; loop variables name their list."""
    row = {"a": "x", "b": "y", "xs": ["1", "2"], "blank": " "}

    assert [(p.text, p.names) for p in text_pieces(source, row)] == expected
