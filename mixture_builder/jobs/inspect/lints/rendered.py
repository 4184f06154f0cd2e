"""What only shows once rows are put in: spaces, doubled marks, open brackets, "None", leaks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mixture_builder.jobs.inspect.check_cards import names_of
from mixture_builder.jobs.inspect.lints.problem import Problem
from mixture_builder.jobs.inspect.lints.shapes import FIELD, Shape, shape_of
from mixture_builder.jobs.inspect.lints.subject import OwnText, Sample, Subject, texts_of
from mixture_builder.styles import OptionStyle, Styles
from mixture_builder.template_texts import facts_of

LEAK_LENGTH = 12
"""Characters of a target from which on it is no chance that it stands in the prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """One text of a template, rendered in pieces for one sample row.

    Attributes:
      names: what the text saw.
      shows: whether options are listed.
      emptied: the optional field that was made empty; empty if none was.
    """

    text: OwnText
    shape: Shape
    sample: Sample
    names: Mapping[str, Any]
    shows: bool = False
    emptied: str = ""

    @property
    def when(self) -> str:
        """As messages name it."""
        without = f", without '{self.emptied}'" if self.emptied else ""
        return f"for {self.sample.name}{without}"


def renderings(subject: Subject, *, styles: Styles, style: OptionStyle) -> Iterator[Rendering]:
    """Every text for every sample row, with and without options.

    Then again with each optional field emptied that the template reads. Templates are given no
    row that lacks what they require.
    """
    for index, template in enumerate(subject.templates.templates):
        texts = list(texts_of(index, template))
        served = template.served(has_options=subject.has_options)
        for sample in subject.samples:
            if any(not sample.row.get(name) for name in template.requires):
                continue
            ways = {(v.startswith("fs_"), v.endswith("_opt")) for v in served}
            for shows in sorted({shows for _, shows in ways}):
                rows = [("", sample.row)]
                optional = subject.optional & template.names - {*template.requires}
                for name in sorted(optional):
                    if sample.row.get(name):
                        rows.append((name, {**sample.row, name: type(sample.row[name])()}))
                for emptied, row in rows:
                    names = names_of(row, shows=shows, style=style, styles=styles)
                    for text in texts:
                        if text.few_shot and (True, shows) not in ways:
                            continue
                        shape = shape_of(text.source, names)
                        if shape is not None:
                            yield Rendering(
                                text=text,
                                shape=shape,
                                sample=sample,
                                names=names,
                                shows=shows,
                                emptied=emptied,
                            )


def once(problems: Iterator[Problem]) -> Iterator[Problem]:
    """The first problem of each lint in each text; further rows would say the same."""
    seen: set[tuple[str, int, str]] = set()
    for problem in problems:
        where = (problem.lint, problem.template, problem.key)
        if where not in seen:
            seen.add(where)
            yield problem


_SPACES = (
    # Three and more are a layout in columns.
    (re.compile(r"\S {2}(?=[^ \n])"), "two spaces together"),
    (re.compile(r"[ \t]+\n"), "a space at the end of a line"),
    (re.compile(rf"[\w{FIELD}\"”)] +[,;:!?.](?=\s|$)"), "a space before a mark"),
    (re.compile(r"[(\[] +[^ )\]\n][^)\]\n]*(?<! )[)\]]"), "a space behind an opening bracket"),
    (re.compile(r"[(\[](?! )[^)\]\n]* [)\]]"), "a space before a closing bracket"),
    (re.compile(r"\n[ \t]*\n[ \t]*\n[ \t]*\n"), "three blank lines"),
)
_DANGLING = (
    (re.compile(r"\(\)|\[\]|“”|\"\""), "a pair with nothing in it"),
    (re.compile(r"(?:^|\n)[ \t]*[,;:.!?](?:\s|$)"), "a mark at the beginning of a line"),
)
_OWN_DOUBLED = re.compile(r"(?<!\.)\.\.(?!\.)|[,;:]\s?[,;]|[?!,;][.,;:](?!\.)|[.:][,;:?!](?=\s|$)")
_BEFORE, _BEHIND = ".?!,;:…。？！", ".,;:?!"


def layout(found: Rendering) -> Iterator[Problem]:
    """Spaces and marks that do not belong where they stand."""
    shown = found.shape.skeleton
    for pattern, what in _SPACES:
        match = pattern.search(shown)
        if match:
            yield _problem(found, "stray_space", what, _around(shown, match), "Take it out.")
            break
    if found.emptied:
        for pattern, what in _DANGLING:
            match = pattern.search(shown)
            if match:
                remedy = f"Put it under `{{% if {found.emptied} %}}`."
                yield _problem(found, "dangling_mark", what, _around(shown, match), remedy)
                break
    match = _OWN_DOUBLED.search(shown)
    if match:
        yield _problem(
            found, "doubled_mark", "two marks together", _around(shown, match), "Leave one out."
        )
    for before, behind in found.shape.borders():
        if before[-1] in _BEFORE and behind[0] in _BEHIND and not behind.startswith(".."):
            yield _problem(
                found,
                "doubled_mark",
                "two marks together",
                before[-20:] + behind[:10],
                "Set the field off by a line or by quotation marks.",
            )


_PAIRS = (("(", ")"), ("[", "]"), ("“", "”"), ("«", "»"))
# An item of a list, "a)" or "1)", and a face, ":)", open no bracket.
_ITEM = re.compile(rf"(?<![^\s])(?:\w{{1,3}}|[ivxIVX]+|{FIELD})\)|[:;]-?[()]")


def brackets(found: Rendering) -> Iterator[Problem]:
    """Brackets and quotation marks that are not closed, or not opened."""
    shown = found.shape.skeleton
    for opening, closing in _PAIRS:
        text = _ITEM.sub(lambda m: "" if m[0].count("(") == 0 else m[0], shown)
        if opening == "(" and text.count("(") != text.count(")"):
            text = shown  # an item in brackets, "(a)", is whole
        if text.count(opening) != text.count(closing):
            yield _problem(
                found,
                "unbalanced",
                f"{text.count(opening)} of {opening} and {text.count(closing)} of {closing}",
                shown[:60],
                "Close what is opened.",
            )
    if shown.count('"') % 2:
        yield _problem(
            found,
            "unbalanced",
            "an odd number of quotation marks",
            _around(shown, re.search('"', shown)),
            "Close what is opened.",
        )


_NOTHING = re.compile(r"\s*(?:None|nan|NaN|null|undefined)\s*")


def nothings(found: Rendering) -> Iterator[Problem]:
    """Fields that come out as the word for nothing, or as a list in Python's notation."""
    for shown in found.shape.fields:
        if _NOTHING.fullmatch(shown) or (shown.startswith(("['", '["')) and shown.endswith("]")):
            yield _problem(
                found,
                "none_in_text",
                "a field that comes out",
                shown[:40],
                "Join the list, or give the card's field a text.",
            )


def leaks(subject: Subject, found: list[Rendering]) -> Iterator[Problem]:
    """Targets that stand in the prompts of direct templates, word for word.

    Not counted are the list of options, prompts that name all options, words of the template
    itself, which are the same for all rows, and what stands inside a field that most direct
    templates of the file show: an extractive answer stands in its passage.
    """
    templates = subject.templates.templates
    direct = [t for t in templates if t.direction == "direct"]
    counts = Counter(name for t in direct for name in _shown(t.input))
    always = {name for name, count in counts.items() if count * 2 > len(direct)}
    targets: dict[tuple[int, bool, str, bool], str] = {}
    for one in found:
        if one.text.target and not one.emptied:
            targets[_case(one, few_shot=one.text.few_shot)] = one.shape.text
    for one in found:
        if one.text.target or one.emptied or templates[one.text.template].direction != "direct":
            continue
        target = targets.get(_case(one, few_shot=one.text.few_shot)) or targets.get(
            _case(one, few_shot=False), ""
        )
        if len(target) < LEAK_LENGTH or target not in one.shape.text:
            continue
        if target in one.shape.skeleton:
            continue
        held = [_text(value) for name, value in one.names.items() if name in always]
        options = one.sample.row.get("options", ())
        listed = [o for o in options if o in one.shape.text]
        if any(target in text for text in held) or (options and len(listed) == len(options)):
            continue
        yield _problem(
            one,
            "answer_in_input",
            "the text of the target",
            target[:60],
            "Leave it out of the prompt, or mark the template as inverted.",
        )


def _shown(source: str) -> frozenset[str]:
    names = facts_of(source).shown
    return names | {"turns"} if "dialog_text" in names else names


def _case(one: Rendering, *, few_shot: bool) -> tuple[int, bool, str, bool]:
    return (one.text.template, few_shot, one.sample.name, one.shows)


def _text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _around(text: str, match: re.Match[str] | None) -> str:
    at = match.start() if match else 0
    return text[max(0, at - 20) : at + 20]


def _problem(found: Rendering, lint: str, what: str, shown: str, remedy: str) -> Problem:
    return Problem(
        lint=lint,
        template=found.text.template,
        key=found.text.key,
        message=f"{found.when}: found {what}: {shown.replace(FIELD, '...')!r}.",
        remedy=remedy,
    )
