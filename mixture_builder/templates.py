"""Prompt templates: how a row is said as an instruction, and which variants that serves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from mixture_builder.findings import Finding, did_you_mean, error
from mixture_builder.fingerprint import fingerprint
from mixture_builder.jinja_compiler import CompiledText, compile_text
from mixture_builder.jinja_sandbox import names_used, parse
from mixture_builder.variants import VARIANTS
from mixture_builder.yaml_files import check_against_schema, find_lines, line_of, load_yaml


@dataclass(frozen=True, kw_only=True)
class PromptTemplate:
    """A named pair of Jinja texts, and how it looks in few-shot prompts.

    Attributes:
      id: unique in its file.
      input: text of the prompt.
      target: text that is to be predicted.
      direction: `direct` predicts the answer, `inverted` another field.
      variants: the only variants it may serve; empty for all that its texts allow.
      requires: optional fields that must not be empty.
      instruction: few-shot: stands once above the exemplars.
      few_shot_input, few_shot_target: few-shot: replace `input` and `target`.
    """

    id: str
    input: str
    target: str
    direction: str = "direct"
    variants: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    instruction: str = ""
    few_shot_input: str = ""
    few_shot_target: str = ""

    def input_for(self, *, few_shot: bool) -> CompiledText:
        """The compiled prompt text for exemplars and queries."""
        return compile_text((self.few_shot_input if few_shot else "") or self.input)

    def target_for(self, *, few_shot: bool) -> CompiledText:
        """The compiled target text for exemplars and queries."""
        return compile_text((self.few_shot_target if few_shot else "") or self.target)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that any of its texts reads."""
        texts = [
            self.input,
            self.target,
            self.instruction,
            self.few_shot_input,
            self.few_shot_target,
        ]
        return frozenset(name for text in texts if text for name in compile_text(text).names)

    def writes_options(self, *, few_shot: bool) -> bool:
        """Whether a prompt text lists the options by itself, not in a drawn style.

        Args:
          few_shot: whether the few-shot text is meant, where there is one of its own.
        """
        return _writes_options((self.few_shot_input if few_shot else "") or self.input)

    def served(
        self, *, has_options: bool, mixed: bool = False, strict: bool = False
    ) -> tuple[str, ...]:
        """The variants it serves for a task with or without answer options.

        A prompt that shows `options_text` under an `if` serves both, one that shows it
        without an `if` only the variants with options, one that never shows it only those
        without. A task without options knows only the variants without.

        Args:
          has_options: whether the task has answer options.
          mixed: whether few-shot prompts mix templates, and so use `input` as it is.
          strict: whether a text that lists the options by itself serves, like one that shows
            `options_text` without an `if`, only variants with options.
        """
        result = []
        for variant in VARIANTS:
            shows = variant.endswith("_opt")
            few_shot = variant.startswith("fs_")
            if self.variants and variant not in self.variants:
                continue
            if shows and not has_options:
                continue
            own = self.few_shot_input if few_shot and not mixed else ""
            use = _use_of_options(own or self.input)
            if strict and _writes_options(own or self.input):
                use = "always"
            if use in {"either", "always" if shows else "never"}:
                result.append(variant)
        return tuple(result)


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateSet:
    """The templates of one file, in their order.

    Attributes:
      name: `<submixture>/<name>`, as cards refer to it.
      file: the file, as messages name it.
      prompt: the one prompt that all its templates say in other words; mostly empty.
      allowed: for ids of templates, lints that may find something there, each with the reason.
      origin: `ours`, or `imported` from another collection.
      fingerprint: hash of everything that decides what is rendered.
    """

    name: str
    file: str
    about: str
    templates: tuple[PromptTemplate, ...]
    prompt: str = ""
    # What may be found in them changes nothing of what they say.
    allowed: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)
    origin: str = "ours"

    @property
    def fingerprint(self) -> str:
        """Equal for sets that render the same under the same ids."""
        return fingerprint(templates_to_json(self.templates))


def templates_to_json(templates: tuple[PromptTemplate, ...]) -> list[dict[str, Any]]:
    """Plain data of templates, without what stands at its default."""
    result = []
    for t in templates:
        plain: dict[str, Any] = {"id": t.id, "input": t.input, "target": t.target}
        if t.direction != "direct":
            plain["direction"] = t.direction
        for key in ("variants", "requires"):
            if getattr(t, key):
                plain[key] = list(getattr(t, key))
        few_shot = {
            "instruction": t.instruction,
            "input": t.few_shot_input,
            "target": t.few_shot_target,
        }
        if any(few_shot.values()):
            plain["few_shot"] = {k: v for k, v in few_shot.items() if v}
        result.append(plain)
    return result


def templates_from_json(raw: list[dict[str, Any]]) -> tuple[PromptTemplate, ...]:
    """The templates that `templates_to_json` gave, or that a checked YAML file holds."""
    return tuple(
        PromptTemplate(
            id=t["id"],
            input=t["input"],
            target=t["target"],
            direction=t.get("direction", "direct"),
            variants=tuple(t.get("variants", ())),
            requires=tuple(t.get("requires", ())),
            instruction=t.get("few_shot", {}).get("instruction", ""),
            few_shot_input=t.get("few_shot", {}).get("input", ""),
            few_shot_target=t.get("few_shot", {}).get("target", ""),
        )
        for t in raw
    )


@lru_cache(maxsize=50_000)
def _use_of_options(source: str) -> str:
    """`always`, `never` or `either`: whether a text needs the list of options.

    Shown outside every `if`: always. Shown only under conditions that name it: either.
    """
    tree = parse(source)
    if "options_text" not in _shown_names(tree):
        return "never"
    return "always" if _shown_outside_condition(tree) else "either"


@lru_cache(maxsize=50_000)
def _writes_options(source: str) -> bool:
    names = _shown_names(parse(source))
    return "options" in names and "options_text" not in names


def _shown_outside_condition(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Name):
        return node.name == "options_text"
    if isinstance(node, (nodes.If, nodes.CondExpr)) and "options_text" in names_used(node.test):
        return False
    return any(_shown_outside_condition(child) for child in node.iter_child_nodes())


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
    data, findings = load_yaml(path, shown_as=shown_as)
    if not findings:
        findings = check_against_schema(data, schema_name="templates", path=path, shown_as=shown_as)
    if findings:
        return None, findings
    templates = templates_from_json(data["templates"])
    findings = _check(templates, path, shown_as)
    if findings:
        return None, findings
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


def _check(templates: tuple[PromptTemplate, ...], path: Path, shown_as: str) -> list[Finding]:
    """What a JSON Schema cannot say."""
    found: list[tuple[int, str, str, str]] = []
    first: dict[str, int] = {}
    for index, template in enumerate(templates):
        if template.id in first:
            message = (
                f"found the id '{template.id}', which templates[{first[template.id]}] has already."
            )
            found.append((index, "id", message, "Give each template an id of its own."))
        first.setdefault(template.id, index)
        for key, text in _texts(template):
            try:
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


def _texts(template: PromptTemplate) -> Iterator[tuple[str, str]]:
    yield "input", template.input
    yield "target", template.target
    if template.instruction:
        yield "few_shot.instruction", template.instruction
    if template.few_shot_input:
        yield "few_shot.input", template.few_shot_input
    if template.few_shot_target:
        yield "few_shot.target", template.few_shot_target


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
        if same & shown_names(source):
            where = "few_shot.input" if few_shot and template.few_shot_input else "input"
            return ((where, name),)
    return ()


def shown_names(source: str) -> frozenset[str]:
    """Names whose value a text prints, not merely tests."""
    return _shown_names(parse(source))


def _shown_names(node: nodes.Node) -> frozenset[str]:
    if isinstance(node, nodes.Name):
        return frozenset([node.name])
    parts: frozenset[str] = frozenset()
    for child in node.iter_child_nodes():
        if isinstance(node, (nodes.If, nodes.CondExpr)) and child is node.test:
            continue
        if isinstance(node, nodes.Filter) and node.name in {"length", "count", "wordcount"}:
            continue
        parts |= _shown_names(child)
    return parts
