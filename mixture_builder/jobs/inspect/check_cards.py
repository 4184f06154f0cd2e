"""Cards against their own sample records and their templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixture_builder.canonical import RowMaker, RowProblem, plain_values
from mixture_builder.card_files import load_card_file, load_cards
from mixture_builder.cards import PLACEHOLDER, TaskCard
from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.fingerprint import fingerprint
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.jinja_running import describe, render_function
from mixture_builder.styles import OptionStyle, Styles, load_styles
from mixture_builder.template_files import check_names, load_templates, template_names
from mixture_builder.templates import PromptTemplate, TemplateSet

Row = Mapping[str, Any]


def find_cards(paths: Sequence[Path]) -> tuple[dict[str, TaskCard], list[Finding]]:
    """The cards of files and folders, and what is wrong with them."""
    cards: dict[str, TaskCard] = {}
    findings: list[Finding] = []
    for path in paths:
        if path.is_dir():
            found, problems = load_cards(path)
        else:
            listed, problems = load_card_file(path, shown_as=str(path))
            found = {card.id: card for card in listed}
        cards.update(found)
        findings.extend(problems)
    return dict(sorted(cards.items())), findings


def check_cards(cards: Mapping[str, TaskCard], *, templates: Path) -> Iterator[Finding]:
    """What is wrong with cards whose files are sound, once samples and templates are looked at.

    Every sample record must give a row. The template file must be there and use nothing that
    the card does not give. Every template must give a text for every sample row, compiled the
    same as in sandboxed Jinja. Cards that differ in nothing of this, such as the members of a
    family, are looked at once.

    Args:
      cards: by id.
      templates: folder of templates and styles.
    """
    styles, _, findings = load_styles(templates)
    yield from findings
    there = template_names(templates)
    known: dict[str, TemplateSet | None] = {}
    seen: set[str] = set()
    for card in cards.values():
        yield from placeholders(card)
        if card.templates not in there:
            yield error(
                card.file,
                f"{card.id}: templates",
                f"found '{card.templates}'; {templates.name} has no such file.",
                did_you_mean(card.templates, there) or "Write it.",
            )
        elif card.templates not in known:
            loaded, findings = load_templates(templates, card.templates)
            known[card.templates] = loaded
            yield from findings
        shape = rendering_signature(card)
        if shape in seen:
            continue
        seen.add(shape)
        rows, findings = sample_rows(card)
        yield from findings
        template_set = known.get(card.templates)
        if template_set is None:
            continue
        optional = frozenset(f.name for f in card.fields if f.optional)
        findings = list(
            check_names(template_set, known=card.template_names(), optional=optional, task=card.id)
        )
        yield from findings
        if styles is not None and not findings:
            yield from check_rendering(card, template_set, rows, styles=styles)


def placeholders(card: TaskCard) -> Iterator[Finding]:
    """What `cards new` left to be filled in and still stands."""
    texts = {"title": card.title, "description": card.description, "category": card.category}
    texts.update((f"fields.{f.name}", f.expression) for f in card.fields)
    texts.update(("source.revision", source.source.revision) for source in card.sources)
    for place, text in texts.items():
        if PLACEHOLDER in text:
            yield error(
                card.file,
                f"{card.id}: {place}",
                f"found the placeholder '{PLACEHOLDER}'; expected what only you know.",
                "Fill it in.",
            )


def rendering_signature(card: TaskCard) -> str:
    """Equal for cards whose samples give the same rows for the same templates."""
    shapes = [
        [[[f.name, f.expression, f.type, f.optional] for f in source.fields], source.keep]
        for source in card.sources
    ]
    sample = [str(dict(record)) for record in card.sample]
    return fingerprint([shapes, sample, card.templates, card.normalise])


def sample_rows(card: TaskCard) -> tuple[list[Row], list[Finding]]:
    """The rows of a card's sample records, and why some give none."""
    rows, findings = numbered_sample_rows(card)
    return list(rows.values()), findings


def numbered_sample_rows(card: TaskCard) -> tuple[dict[int, Row], list[Finding]]:
    """The rows of a card's sample records by the record's number, and why some give none."""
    makers = [RowMaker(source, normalise=card.normalise) for source in card.sources]
    rows: dict[int, Row] = {}
    findings: list[Finding] = []
    for number, record in enumerate(card.sample):
        # Alternatives may have records of other shapes; a sample is shaped like one of them.
        made = [maker.row(dict(record)) for maker in makers]
        row = next((r for r in made if not isinstance(r, RowProblem)), made[0])
        place = f"{card.id}: sample[{number}]"
        if isinstance(row, RowProblem):
            keys = ", ".join(record)
            where = "keep" if row.reason == "keep_error" else f"fields.{row.field}"
            findings.append(
                error(
                    card.file,
                    place,
                    f"gives no row: {where}: {row.detail}.",
                    f"Correct the expression or the sample; its keys are {keys}.",
                )
            )
        elif row is None:
            findings.append(
                error(
                    card.file,
                    place,
                    "gives no row: keep is false for it.",
                    "Show a record that is kept.",
                )
            )
        else:
            rows[number] = row
    return rows, findings


def check_rendering(
    card: TaskCard,
    templates: TemplateSet,
    rows: Sequence[Row],
    *,
    styles: Styles,
) -> Iterator[Finding]:
    """Templates that fail, come out empty, or differ between compiled and sandboxed Jinja."""
    style = enumerating(styles)
    for index, template in enumerate(templates.templates):
        place = f"templates[{index}] '{template.id}'"
        served = template.served(has_options=card.has_options)
        if not served:
            yield error(
                templates.file,
                place,
                f"serves no variant for the card {card.id}, which has no options.",
                "Put options_text under an `if`, or use another template file for this card.",
            )
        for variant in served:
            for number, row in enumerate(rows):
                if any(not row.get(name) for name in template.requires):
                    continue
                names = names_of(row, shows=variant.endswith("_opt"), style=style, styles=styles)
                problem = _render_all(template, names, few_shot=variant.startswith("fs_"))
                if problem:
                    yield error(
                        templates.file,
                        place,
                        f"for {card.id}, sample[{number}], {variant}: {problem}",
                        "Correct the template, or the card's sample.",
                    )
                    break


def enumerating(styles: Styles) -> OptionStyle:
    """An option style whose labels are the targets: it shows both of what `answer` can be."""
    item = next((i for i in styles.option_items if i.enumerate), styles.option_items[0])
    return replace(styles.option_style(0), item=item)


def names_of(row: Row, *, shows: bool, style: OptionStyle, styles: Styles) -> dict[str, Any]:
    """What a template sees of a row; `answer in target` is what its target sees as `answer`."""
    names = {n: plain_values([v])[0] if type(v) is bytes else v for n, v in row.items()}
    names["chance"] = 0
    if "options" in row:
        options, right = row["options"], row["answer_index"]
        names["options_text"] = style.text(options) if shows else ""
        names["answer"] = names["answer_text"] = options[right]
        names["answer in target"] = style.target(options, right) if shows else options[right]
    if "answers" in row:
        names["answer"] = row["answers"][0]
    if "turns" in row:
        names["dialog_text"] = styles.dialog_style(0).text(row["turns"])
    return names


def _render_all(template: PromptTemplate, names: dict[str, Any], *, few_shot: bool) -> str:
    """What is wrong with the texts of one template for one row; empty if nothing is."""
    sources = [
        ("input", template.input_text(few_shot=few_shot), names),
        (
            "target",
            template.target_text(few_shot=few_shot),
            {**names, "answer": names["answer in target"]}
            if "answer in target" in names
            else names,
        ),
    ]
    if few_shot and template.instruction:
        sources.append(("few_shot.instruction", template.instruction, names))
    for part, source, seen in sources:
        compiled = compile_text(source).render_many({n: [v] for n, v in seen.items()}, 1)[0]
        try:
            plain: str | Exception = render_function(source)(seen).strip()
        except Exception as problem:  # noqa: BLE001  (a template may fail in any way)
            plain = problem
        if _shown(compiled) != _shown(plain):
            return (
                f"{part} compiles to {_shown(compiled)!r}, but Jinja gives {_shown(plain)!r}; this "
                "is a mistake of mixture-builder, please report it."
            )
        if isinstance(plain, Exception):
            return f"{part} fails: {describe(plain)}."
        if not plain:
            return f"{part} comes out empty."
    return ""


def _shown(result: str | Exception) -> str:
    return f"error: {describe(result)}" if isinstance(result, Exception) else result
