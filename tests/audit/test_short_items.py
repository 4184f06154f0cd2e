"""Held-out items with short questions: copies with few changes are found, other questions not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mixture_builder.audit.rows.contamination import overlaps_in
from mixture_builder.audit.rows.held_out import HeldOutItem, build_index

QUESTION = "Which metal floats on a bath of mercury?"
OPTIONS = ("gold", "solid iron", "osmium", "platinum wire")


def found(text: str, *, question: str = QUESTION, options: tuple[str, ...] = OPTIONS) -> str:
    """The rule by which an item is found in a text; nothing if it is not."""
    index = build_index([HeldOutItem(held_out="s", item="1", texts=(question, *options))])
    told = overlaps_in(pa.table({"inputs": [text]}), ["inputs"], index)
    return told[0].rule if told else ""


def prompt(question: str, options: tuple[str, ...] = OPTIONS) -> str:
    """A prompt as a template would write it."""
    listed = "\n".join(f"({letter}) {text}" for letter, text in zip("ABCD", options, strict=False))
    return f"Answer this.\n\n{question}\nOptions:\n{listed}\nAnswer:"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (prompt(QUESTION), "whole"),
        (prompt(QUESTION.upper().replace(" ", "  ")), "whole"),
        (prompt(QUESTION, OPTIONS[::-1]), "whole"),
        (prompt(QUESTION.replace("bath", "pool")), "near"),
        (prompt("metal floats on a bath of mercury?"), "near"),
        (prompt(QUESTION.replace("metal floats", "gas burns")), ""),
        (prompt(QUESTION.replace("bath", "pool"), (*OPTIONS[:3], "copper")), ""),
        ("Which metal is heavy? gold, solid iron, osmium, platinum wire", ""),
    ],
)
def test_one_word_in_five_may_change_and_no_option(text: str, rule: str):
    """Case, spacing and order do not count; a word may be another; options must all be there."""
    assert found(text) == rule


def test_no_number_may_change():
    """The same question of another number is another question."""
    question, options = "How many of 12 eggs are whole?", ("three", "ten eggs")
    text = f"Sum: {question} three, or ten eggs"

    assert found(text, question=question, options=options) == "whole"
    assert found(text.replace("eggs are", "cups are"), question=question, options=options) == "near"
    assert found(text.replace("12", "15"), question=question, options=options) == ""


def test_evidence_is_the_stretch_of_the_question():
    """The characters that are shown are those of the question in the text."""
    index = build_index([HeldOutItem(held_out="s", item="1", texts=(QUESTION, *OPTIONS))])
    text = prompt(QUESTION.replace("bath", "pool"))
    told = overlaps_in(pa.table({"inputs": [text]}), ["inputs"], index)
    [span] = told[0].spans

    assert text[span.start : span.end] == QUESTION.replace("bath", "pool").rstrip("?")
    assert told[0].share == pytest.approx(7 / 8)


TINY = "Capital of Peru?"
CITIES = ("Lima", "Cusco", "Ica")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (prompt(TINY, CITIES), "whole"),
        (prompt(TINY.upper(), CITIES[::-1]), "whole"),
        (f"Choose one.\n{', '.join(CITIES)}\n\n{TINY} Answer:", "whole"),
        (f"Q: Who was he? A: a cook\nQ: {TINY} 1. Cusco 2. Ica 3. Lima A:", "whole"),
        (prompt(TINY, ("Lima", "Cusco", "Puno")), ""),
        (prompt("Capital of Chile?", CITIES), ""),
        (f"{TINY} It lies by the sea. {'He went on and on. ' * 5} Lima, Cusco, Ica", ""),
        (f"{TINY} Lima", ""),
    ],
)
def test_items_of_a_few_words_need_their_options_beside_the_question(text: str, rule: str):
    """Fewer than 8 words in all: no word may change, and the options follow, or come before."""
    assert found(text, question=TINY, options=CITIES) == rule


def test_options_that_are_names_of_labels_do_not_make_an_item():
    """Yes and no stand below questions of any kind: a short question with them is no item."""
    question, options = "Is this true?", ("yes", "no", "maybe")

    assert found(prompt(question, options), question=question, options=options) == ""


def test_a_question_of_two_words_is_not_looked_for():
    """With fewer than three words a question is in too many texts."""
    question, options = "Which one?", ("red", "green", "blue")

    assert found(prompt(question, options), question=question, options=options) == ""
