"""Styles: the pools are sound, and drawing them by number agrees with making them."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.findings import Report
from mixture_builder.shipped import templates_folder
from mixture_builder.styles import enumerated, load_styles, styles_from_json
from tests.makers import shipped_styles

TEXTS = st.text(alphabet="ab .!?日", min_size=1, max_size=5)


@given(
    number=st.integers(0, 2**63),
    options=st.lists(TEXTS, min_size=2, max_size=40),
    right=st.integers(0, 39),
)
def test_a_style_drawn_by_number_is_the_style_of_that_number(number, options, right):
    """Id, text and target come out the same with and without making the style."""
    pools = shipped_styles()
    number %= pools.option_styles
    right %= len(options)
    style = pools.option_style(number)

    assert pools.option_id(number) == style.id
    assert pools.options_text(number, options) == style.text(options)
    assert pools.target(number, options, right) == style.target(options, right)


def test_every_id_stands_once_in_its_pool():
    """The style column names what was drawn, so no two pieces may share a name."""
    styles = shipped_styles().styles
    for name in styles.__dataclass_fields__:
        ids = [piece.id for piece in getattr(styles, name)]
        assert len(set(ids)) == len(ids), name
        assert not any(set(i) & set("/;=") for i in ids)


def test_labels_of_one_list_are_all_different():
    """No two of forty options share a label, in any enumeration."""
    for item in shipped_styles().styles.option_items:
        if item.enumerate:
            labels = [item.label_of(i) for i in range(40)]
            assert len(set(labels)) == 40, item.id
            assert all(label in item.prefix_of(i) for i, label in enumerate(labels)), item.id


def test_plain_bullets_make_no_label():
    """Without an enumeration the target is the option itself."""
    styles = shipped_styles().styles
    plain = [item for item in styles.option_items if not item.enumerate]

    assert plain
    assert all(item.label_of(3) == "" and item.prefix_of(3) == item.prefix for item in plain)


def test_inline_lists_have_no_endings_and_are_the_exception():
    """Options stand on one line now and then, never with a mark doubled."""
    pools = shipped_styles()
    made = [pools.option_style(n) for n in range(0, pools.option_styles, 37)]
    inline = [style for style in made if style.separator.inline]

    assert inline
    assert not any(style.ending.text for style in inline)
    assert len(inline) / len(made) < 0.1


@given(
    number=st.integers(0, 2**63),
    options=st.sampled_from([["0", "1", "2"], ["A", "B"], ["b", "a"], ["I", "II"], ["yes", "no"]]),
)
def test_no_label_can_be_mistaken_for_an_option(number, options):
    """Where options are letters or numbers themselves, a style without such labels is taken."""
    pools = shipped_styles()
    number %= pools.option_styles
    chosen = pools.unambiguous(number, options)
    labels = [pools.option_style(chosen).item.label_of(i) for i in range(26)]

    assert {label.strip("()[]<>#") for label in labels}.isdisjoint(options)
    if options == ["yes", "no"]:
        assert chosen == number
    if chosen != number:
        old, new = pools.option_style(number), pools.option_style(chosen)
        assert new == replace(old, item=new.item)
        assert not new.item.enumerate


def test_tasks_that_ask_nothing_get_no_question_labels():
    """`Q:` and `A:` are for tasks that ask and answer; all others suit everybody."""
    styles = shipped_styles().styles
    asking = styles.exemplar_styles(questions=True)
    others = styles.exemplar_styles(questions=False)

    assert {labels.suits for labels, _ in others} == {"any"}
    assert set(others) < set(asking)
    for labels, separator in asking:
        assert separator.visible or not labels.needs_visible_separator


def test_exemplars_can_be_told_apart_in_every_style():
    """Labels, delimiters and separators leave no two exemplars run together."""
    for labels, separator in shipped_styles().styles.exemplar_styles(questions=True):
        assert separator.text.strip(" ")
        if not separator.visible:
            assert "\n" in separator.text
            assert labels.input.strip() or labels.target.strip() or labels.delimiter.strip()


def test_the_exemplar_pool_is_wide_for_every_kind_of_task():
    """Labels, delimiters and separators meet in far more than 40 ways, also without questions."""
    styles = shipped_styles().styles
    for questions in (False, True):
        pairs = styles.exemplar_styles(questions=questions)
        looks = {
            (
                labels.input,
                labels.input_end,
                labels.delimiter,
                labels.target,
                labels.target_end,
                separator.text,
            )
            for labels, separator in pairs
        }
        assert len(looks) == len(pairs) >= 40
        assert len({labels.delimiter for labels, _ in pairs}) >= 5
        assert len({separator.text for _, separator in pairs}) >= 10


def test_option_styles_cover_bullets_and_every_way_to_count():
    """Plain bullets, letters, digits and Roman numerals, bare and in brackets, are all there."""
    styles = shipped_styles().styles
    plain = [item for item in styles.option_items if not item.enumerate]
    counted = [item for item in styles.option_items if item.enumerate]

    assert len(plain) >= 5
    assert {i.enumerate for i in counted} == {
        "upper", "lower", "digits", "upper_roman", "lower_roman"
    }  # fmt: skip
    for kind in ("upper", "lower", "digits", "upper_roman", "lower_roman"):
        labels = {item.label for item in counted if item.enumerate == kind}
        assert {"({})", "{})", "[{}]", "{}"} <= labels
    assert len(styles.option_lead_ins) >= 10
    assert {ending.text for ending in styles.option_endings} == {"", ";", "."}
    assert any(lead_in.text == "" for lead_in in styles.option_lead_ins)


def test_dialog_styles_name_speakers_or_set_bullets_or_nothing():
    """Some turns stand behind names or roles, some behind a bullet, some bare."""
    speakers = shipped_styles().styles.dialog_speakers
    bare = [s for s in speakers if not s.first + s.second]
    bullets = [s for s in speakers if s.first and s.first == s.second]
    named = [s for s in speakers if s.first != s.second and any(map(str.isalpha, s.first))]

    assert len(bare) == 1
    assert len(bullets) >= 3
    assert len(named) >= 20


def test_no_label_or_delimiter_holds_the_mark_of_a_separator():
    """A mark that separates exemplars never stands inside one, so a target cannot end in it."""
    styles = shipped_styles().styles
    marks = [s.text.strip() for s in styles.separators if s.visible]
    for labels in styles.labels:
        inside = (
            labels.input, labels.input_end, labels.delimiter, labels.target, labels.target_end
        )  # fmt: skip
        for part in inside:
            assert not [m for m in marks if m in part.split("\n")], labels.id
    for item in styles.option_items:
        assert not {item.label_of(i) for i in range(60)} & set(marks), item.id


@given(count=st.integers(2, 300), number=st.integers(0, 2**63))
def test_no_list_of_options_is_too_long_for_a_style(count, number):
    """Labels never run out: each of many options has one of its own, and none is an error."""
    pools = shipped_styles()
    number %= pools.option_styles
    options = [f"choice number {i}" for i in range(count)]
    targets = [pools.target(number, options, i) for i in range(count)]

    assert len(set(targets)) == count
    assert pools.options_text(number, options).count("choice number") == count


def test_speakers_of_a_dialog_alternate():
    """The first speaker has the first turn."""
    style = shipped_styles().dialog_style(987_654_321)
    text = style.text(["one", "two", "three"])
    between = style.turn_end.text

    assert text == (
        f"{style.lead_in.text}{style.speakers.first}one{between}{style.speakers.second}two"
        f"{between}{style.speakers.first}three"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("upper", ["A", "B", "Z", "AA", "AZ", "BA"]),
        ("lower", ["a", "b", "z", "aa", "az", "ba"]),
        ("digits", ["1", "2", "26", "27", "52", "53"]),
        ("upper_roman", ["I", "II", "XXVI", "XXVII", "LII", "LIII"]),
        ("lower_roman", ["i", "ii", "xxvi", "xxvii", "lii", "liii"]),
    ],
)
def test_enumerations_go_on_beyond_the_alphabet(kind, expected):
    """Letters double as in spreadsheets, numerals go on."""
    assert [enumerated(kind, i) for i in (0, 1, 25, 26, 51, 52)] == expected


def test_pools_come_back_from_their_plain_data():
    """A lock holds the pools; drawing from it is drawing from the files."""
    styles, plain, findings = load_styles(templates_folder())

    assert not findings
    assert styles is not None
    assert styles_from_json(plain) == styles
    assert "about" not in plain["options"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("options", "lead_ins:", "leadins:", "found the unknown key 'leadins'"),
        ("exemplars", "suits: questions}", "suits: question}", "found 'question'; expected one of"),
        ("dialogs", ", first:", ", frist:", "Did you mean 'first'?"),
    ],
)
def test_mistakes_in_all_pools_are_reported_at_once(tmp_path, name, old, new, message):
    """A slip in one file is found in its line, whatever else is wrong."""
    folder = tmp_path / "templates"
    shutil.copytree(templates_folder() / "styles", folder / "styles")
    path = folder / "styles" / f"{name}.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    for other in {"options", "exemplars", "dialogs"} - {name}:
        (folder / "styles" / f"{other}.yaml").unlink()
    styles, _, findings = load_styles(folder)
    text = Report(findings=tuple(findings)).format()

    assert styles is None
    assert message in text
    assert len({finding.file for finding in findings}) == 3
