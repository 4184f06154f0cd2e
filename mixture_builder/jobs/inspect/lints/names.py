"""Fields that are never shown, and targets that are constant or given away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jobs.inspect.lints.problem import Problem
from mixture_builder.jobs.inspect.lints.subject import Subject
from mixture_builder.template_texts import facts_of
from mixture_builder.templates import PromptTemplate

_SHOWN_AS = {
    "options": ("options_text", "answer", "answer_text"),
    "answer_index": ("answer", "answer_text"),
    "answers": ("answer",),
    "turns": ("dialog_text",),
}
"""Fields that templates see under other names."""


_NEVER_GIVEN = frozenset(["answer", "answer_text", "rationale", "response"])
"""Fields that are an answer in all cards, however many prompts show them."""


def unused_fields(subject: Subject) -> Iterator[Problem]:
    """Fields of the cards that no template reads or asks for."""
    read = frozenset(
        name
        for template in subject.templates.templates
        for name in (*template.names, *template.requires)
    )
    for card in subject.cards:
        unused = [
            f.name for f in card.fields if read.isdisjoint([f.name, *_SHOWN_AS.get(f.name, ())])
        ]
        if unused:
            yield Problem(
                lint="unused_field",
                message=f"no template reads {', '.join(unused)}, which the card {card.id} gives.",
                remedy="Show it in a template, or leave it out of the card.",
            )
            return


def targets(subject: Subject) -> Iterator[Problem]:
    """Targets without a word, and targets that are the same for all rows."""
    for text in subject.texts():
        if not text.target or compile_text(text.source).names:
            continue
        rendered = compile_text(text.source).render_many({}, 1)[0]
        if rendered == "":
            yield Problem(
                lint="no_target",
                template=text.template,
                key=text.key,
                message="comes out empty for every row.",
                remedy="Write what is to be predicted.",
            )
        else:
            yield Problem(
                lint="constant_target",
                template=text.template,
                key=text.key,
                message=f"reads no field: every row has the target {rendered!r}.",
                remedy="Show the field that is to be predicted.",
            )


def answers_shown(subject: Subject) -> Iterator[Problem]:
    """Direct templates that show in the prompt what their target shows.

    Answers are what most direct targets show. What most direct prompts show is a part of the
    question, and may be said again in a target.
    """
    direct = [t for t in subject.templates.templates if t.direction == "direct"]
    counts = Counter(name for t in direct for name in facts_of(t.input).shown)
    given = {name for name, count in counts.items() if count * 2 > len(direct)} - _NEVER_GIVEN
    shown = Counter(n for t in direct for n in _answers_as_one(facts_of(t.target).shown))
    answers = {name for name, count in shown.items() if count * 2 > len(direct)} - given
    for index, template in enumerate(subject.templates.templates):
        if template.direction != "direct":
            continue
        for key, name in _shown_in_both(template):
            if name in answers:
                yield Problem(
                    lint="answer_in_input",
                    template=index,
                    key=key,
                    message=f"shows '{name}', which the target shows too.",
                    remedy="Leave it out of the prompt, or mark the template as inverted.",
                )


def _shown_in_both(template: PromptTemplate) -> Iterator[tuple[str, str]]:
    few_shot_target = template.few_shot_target or template.target
    few_shot_key = "few_shot.input" if template.few_shot_input else "input"
    pairs = {
        ("input", template.input, template.target),
        (few_shot_key, template.few_shot_input or template.input, few_shot_target),
    }
    for key, shown, target in sorted(pairs):
        both = _answers_as_one(facts_of(shown).shown) & _answers_as_one(facts_of(target).shown)
        for name in sorted(both):
            yield key, name


def _answers_as_one(names: frozenset[str]) -> frozenset[str]:
    return frozenset("answer" if name == "answer_text" else name for name in names)
