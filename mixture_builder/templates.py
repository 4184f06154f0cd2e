"""Prompt templates: how a row is said as an instruction, and which variants that serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mixture_builder.fingerprint import fingerprint
from mixture_builder.jinja_compiler import CompiledText, compile_text
from mixture_builder.template_texts import facts_of
from mixture_builder.variants import VARIANTS


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

    def input_text(self, *, few_shot: bool) -> str:
        """The prompt text for exemplars and queries, as it stands in the file."""
        return (self.few_shot_input if few_shot else "") or self.input

    def target_text(self, *, few_shot: bool) -> str:
        """The target text for exemplars and queries, as it stands in the file."""
        return (self.few_shot_target if few_shot else "") or self.target

    def input_for(self, *, few_shot: bool) -> CompiledText:
        """The compiled prompt text for exemplars and queries."""
        return compile_text(self.input_text(few_shot=few_shot))

    def target_for(self, *, few_shot: bool) -> CompiledText:
        """The compiled target text for exemplars and queries."""
        return compile_text(self.target_text(few_shot=few_shot))

    def texts(self) -> Iterator[tuple[str, str]]:
        """Its texts, each after the key that it has in the file."""
        yield "input", self.input
        yield "target", self.target
        if self.instruction:
            yield "few_shot.instruction", self.instruction
        if self.few_shot_input:
            yield "few_shot.input", self.few_shot_input
        if self.few_shot_target:
            yield "few_shot.target", self.few_shot_target

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that any of its texts reads."""
        return frozenset(name for _, text in self.texts() for name in facts_of(text).names)

    def reads(self, name: str) -> bool:
        """Whether any of its texts reads a name; those in which it does not stand stay unparsed."""
        return any(name in text and name in facts_of(text).names for _, text in self.texts())

    def names_for(self, *, few_shot: bool) -> frozenset[str]:
        """The names that are read where it says a zero-shot or a few-shot prompt and its target."""
        texts = [self.input_for(few_shot=few_shot), self.target_for(few_shot=few_shot)]
        if few_shot and self.instruction:
            texts.append(compile_text(self.instruction))
        return frozenset(name for text in texts for name in text.names)

    def writes_options(self, *, few_shot: bool) -> bool:
        """Whether a prompt text lists the options by itself, not in a drawn style.

        Args:
          few_shot: whether the few-shot text is meant, where there is one of its own.
        """
        text = (self.few_shot_input if few_shot else "") or self.input
        return facts_of(text).writes_options

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
            facts = facts_of(own or self.input)
            use = "always" if strict and facts.writes_options else facts.use_of_options
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
