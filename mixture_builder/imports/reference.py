"""Renders a template of promptsource by promptsource's own rules, to compare with ours.

Those rules: the text is rendered as a whole, undefined names are empty, white space is kept
(`trim_blocks` and `lstrip_blocks` are off), `|||` inside the record's texts is protected, the
result is cut at `|||` and each part is stripped. Fields are not cut at 2,048 characters, as
`Template.apply` there does unless it is told not to. `choice` is told what to choose.

It runs in the sandbox, loosened only so far that names may be undefined, variables set, and
texts may `join`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, Undefined, nodes

from mixture_builder.imports.conversion import choice_numbers
from mixture_builder.imports.promptsource_files import SEPARATOR, UpstreamTemplate
from mixture_builder.jinja_parsing import parse_any
from mixture_builder.jinja_sandbox import SafeEnvironment, environment

_PROTECTED = "\ue000\ue001\ue000"
"""Stands for the separator in texts of the record; of private use, so no text holds it."""


def reference_pair(
    template: UpstreamTemplate, record: Mapping[str, Any], *, chance: int
) -> tuple[str, str] | None:
    """Prompt and target of a record, or `None` where the template gives no such pair.

    Args:
      template: theirs.
      record: as upstream has it.
      chance: what `choice` chooses by.

    Raises:
      TemplateError: or whatever rendering raises.
    """
    whole, choices = _compiled(template.jinja, template.answer_choices)
    seen = {key: _protected(value) for key, value in record.items()} | {"chance": chance}
    seen["answer_choices"] = (
        [_released(text.strip()) for text in choices.render(seen).split(SEPARATOR)]
        if choices is not None
        else None
    )
    parts = [_released(part).strip() for part in whole.render(seen).split(SEPARATOR)]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def _protected(value: Any) -> Any:
    return value.replace(SEPARATOR, _PROTECTED) if isinstance(value, str) else value


def _released(text: str) -> str:
    return text.replace(_PROTECTED, SEPARATOR)


class _LooserEnvironment(SafeEnvironment):
    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        joins = isinstance(obj, str) and attr == "join"
        return joins or super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: Any) -> bool:
        joins = isinstance(getattr(obj, "__self__", None), str) and obj.__name__ == "join"
        return joins or super().is_safe_callable(obj)


@lru_cache(maxsize=1)
def _environment() -> SafeEnvironment:
    ours = environment()
    env = _LooserEnvironment(undefined=Undefined, autoescape=False, optimized=False, cache_size=0)
    env.globals, env.filters, env.tests = dict(ours.globals), dict(ours.filters), dict(ours.tests)
    return env


@lru_cache(maxsize=1_000)
def _compiled(source: str, choices: str | None) -> tuple[Template, Template | None]:
    tree = parse_any(source)
    other = parse_any(choices) if choices is not None else None
    numbers = choice_numbers(tree, other)
    for each in (tree, *([other] if other is not None else [])):
        for node in each.find_all(nodes.Filter):
            if id(node) in numbers:
                number = nodes.Const(numbers[id(node)])
                node.args = [nodes.Name("chance", "load"), number]
    return _template(tree), _template(other) if other is not None else None


def _template(tree: nodes.Template) -> Template:
    env = _environment()
    tree.set_environment(env)
    return Template.from_code(env, env.compile(tree), env.globals)
