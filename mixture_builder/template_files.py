"""Reading template files, with everything that is wrong with one at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateSyntaxError

from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.fingerprint import canonical_json
from mixture_builder.jinja_compiler import compile_text
from mixture_builder.known_files import recall, remember
from mixture_builder.template_texts import facts_of, facts_to_json, know_facts
from mixture_builder.templates import PromptTemplate, TemplateSet, templates_from_json
from mixture_builder.yaml_files import find_lines, line_of, load_checked


def load_templates(folder: Path, name: str) -> tuple[TemplateSet | None, list[Finding]]:
    """One template file and everything that is wrong with it.

    Args:
      folder: the folder of templates.
      name: `<submixture>/<name>`, without `.yaml`.

    Returns:
      The set, or `None` and at least one error.
    """
    path = folder / f"{name}.yaml"
    shown_as = f"{folder.name}/{name}.yaml"
    data, findings = load_checked(path, shown_as=shown_as, schema_name="templates")
    if findings:
        return None, findings
    templates = templates_from_json(data["templates"])
    texts = [text for template in templates for _, text in template.texts()]
    # The facts of texts that were found sound follow from them alone.
    content = canonical_json(texts)
    facts = recall("facts", content)
    if facts is not None:
        know_facts(facts)
    findings = _check(templates, path, shown_as, parsed=facts is not None)
    if findings:
        return None, findings
    if facts is None:
        remember("facts", content, found=facts_to_json(texts))
    return (
        TemplateSet(
            name=name,
            file=shown_as,
            about=data["about"],
            templates=templates,
            prompt=data.get("prompt", ""),
            allowed={t["id"]: t["allow"] for t in data["templates"] if "allow" in t},
            origin=data.get("origin", "ours"),
        ),
        [],
    )


def template_names(folder: Path) -> list[str]:
    """Names of all template files under a folder, styles left out, sorted."""
    return sorted(
        path.relative_to(folder).with_suffix("").as_posix()
        for path in folder.rglob("*.yaml")
        if path.relative_to(folder).parts[0] != "styles"
    )


def _check(
    templates: tuple[PromptTemplate, ...], path: Path, shown_as: str, *, parsed: bool
) -> list[Finding]:
    """What a JSON Schema cannot say; texts that were parsed before have no mistakes of syntax."""
    found: list[tuple[int, str, str, str]] = []
    first: dict[str, int] = {}
    for index, template in enumerate(templates):
        if template.id in first:
            message = (
                f"found the id '{template.id}', which templates[{first[template.id]}] has already."
            )
            found.append((index, "id", message, "Give each template an id of its own."))
        first.setdefault(template.id, index)
        for key, text in template.texts():
            try:
                if not parsed:
                    compile_text(text)
            except TemplateSyntaxError as problem:
                reason = str(problem.message).rstrip(".")
                message = f"no valid template, in its line {problem.lineno}: {reason}."
                found.append(
                    (index, key, message, "See the reference of templates for what they may hold.")
                )
                continue
            if "|||" in text:
                message = "found '|||', which separates prompt and target elsewhere."
                found.append((index, key, message, "Write the two as input and target."))
    lines = find_lines(path) if found else {}
    return [
        error(
            shown_as,
            f"templates[{index}] '{templates[index].id}'.{key}",
            message,
            remedy,
            line_of(lines, ("templates", index, *key.split("."))),
        )
        for index, key, message, remedy in found
    ]


def check_names(
    templates: TemplateSet, *, known: frozenset[str], optional: frozenset[str], task: str
) -> Iterator[Finding]:
    """Names that templates use and a task's card does not give.

    Args:
      templates: the task's templates.
      known: names the card gives, see `TaskCard.template_names`.
      optional: fields of the card that may be empty; `requires` may name only these.
      task: the task's id, for the message.
    """
    for index, template in enumerate(templates.templates):
        place = f"templates[{index}] '{template.id}'"
        for name in sorted(template.names - known):
            yield error(
                templates.file,
                place,
                f"found the name '{name}', which the card {task} does not give "
                f"({', '.join(sorted(known))}).",
                did_you_mean(name, known) or "Add it to the card's fields, or leave it out here.",
            )
        for name in template.requires:
            if name not in optional:
                yield error(
                    templates.file,
                    place,
                    f"requires '{name}', which is no optional field of the card {task}.",
                    did_you_mean(name, optional) or "Leave it out.",
                )
        # Imported prompts list the options themselves, the right one among them.
        for where, name in _leaks(template) if templates.origin == "ours" else ():
            yield error(
                templates.file,
                f"{place}.{where}",
                f"shows '{{{{ {name} }}}}', which is the target.",
                "Leave it out of the prompt.",
            )


_BARE_NAME = re.compile(r"\{\{-?\s*([a-z_][a-z0-9_]*)\s*-?\}\}")


@lru_cache(maxsize=50_000)
def _leaks(template: PromptTemplate) -> tuple[tuple[str, str], ...]:
    """Texts of a template that show the field that is its whole target, with that field."""
    for few_shot in (False, True):
        target = (template.few_shot_target if few_shot else "") or template.target
        alone = _BARE_NAME.fullmatch(target.strip())
        if not alone:
            continue
        source = (template.few_shot_input if few_shot else "") or template.input
        name = alone[1]
        answer = {"answer", "answer_text"}
        same = answer if name in answer else {name}
        if same & facts_of(source).shown:
            where = "few_shot.input" if few_shot and template.few_shot_input else "input"
            return ((where, name),)
    return ()
