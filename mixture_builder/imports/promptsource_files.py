"""Reads promptsource's YAML: custom tags are plain mappings, and nothing is constructed.

A file holds the templates of one dataset, or of one configuration (`subset`) of it. A
template is one Jinja text in which `|||` parts prompt and target; `answer_choices` is a
second Jinja text, whose parts between `|||` the first sees as a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixture_builder.findings import Finding, error
from mixture_builder.yaml_files import load_yaml

TAGS = ("!Template", "!TemplateMetadata")

SEPARATOR = "|||"
"""What parts prompt and target, and answer choices from each other."""


class NotImportedError(Exception):
    """Why a template cannot be said in our format."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamTemplate:
    """One template as its file has it.

    Attributes:
      key: what it stands under.
      answer_choices: Jinja text of the choices; `None` where there are none.
      metadata: what else is said of it.
    """

    key: str
    name: str
    jinja: str
    answer_choices: str | None = None
    reference: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamSet:
    """The templates of one file, in its order.

    Attributes:
      subset: the dataset's configuration; empty where there is none.
      file: as messages name it.
    """

    dataset: str
    subset: str
    file: str
    templates: tuple[UpstreamTemplate, ...]

    @property
    def name(self) -> str:
        """`glue/mnli`, or `imdb` where there is no configuration."""
        return f"{self.dataset}/{self.subset}" if self.subset else self.dataset


def read_promptsource(path: Path, *, shown_as: str) -> tuple[UpstreamSet | None, list[Finding]]:
    """The templates of a file, or why there are none.

    Args:
      path: of the file.
      shown_as: how messages name it.
    """
    data, findings = load_yaml(path, shown_as=shown_as, tags=TAGS)
    if findings:
        return None, findings
    problems = list(_problems(data))
    if problems:
        remedy = "Is it a templates.yaml of promptsource?"
        return None, [error(shown_as, place, message, remedy) for place, message in problems]
    return (
        UpstreamSet(
            dataset=str(data["dataset"]),
            subset=str(data.get("subset") or ""),
            file=shown_as,
            templates=tuple(_template(str(k), raw) for k, raw in data["templates"].items()),
        ),
        [],
    )


def _template(key: str, raw: Mapping[str, Any]) -> UpstreamTemplate:
    metadata = raw.get("metadata")
    return UpstreamTemplate(
        key=key,
        name=str(raw["name"]),
        jinja=raw["jinja"],
        answer_choices=raw.get("answer_choices"),
        reference=str(raw.get("reference") or ""),
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def _problems(data: Any) -> list[tuple[str, str]]:
    """Places and messages for what is not as the format has it."""
    if not isinstance(data, dict):
        return [("", f"found a {type(data).__name__}; expected a mapping.")]
    found = [
        (key, f"the key '{key}' is missing.") for key in ("dataset", "templates") if key not in data
    ]
    templates = data.get("templates", {})
    if not isinstance(templates, dict):
        return [*found, ("templates", f"found a {type(templates).__name__}; expected a mapping.")]
    for key, raw in templates.items():
        place = f"templates.{key}"
        if not isinstance(raw, dict):
            found.append((place, f"found a {type(raw).__name__}; expected a mapping."))
            continue
        if "name" not in raw:
            found.append((place, "the key 'name' is missing."))
        if not isinstance(raw.get("jinja"), str):
            found.append((f"{place}.jinja", "found no text; expected one."))
        if not isinstance(raw.get("answer_choices"), (str, type(None))):
            found.append((f"{place}.answer_choices", "expected a text, or nothing."))
    return found
