"""What the loaders say of a piece of YAML: a whole file, or a fragment laid over a sound one."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml

from mixture_builder.card_files import load_card_file
from mixture_builder.errors import InvalidFilesError
from mixture_builder.findings import Finding
from mixture_builder.io.mirror import Mirror
from mixture_builder.recipes import load_recipe
from mixture_builder.styles import load_styles
from mixture_builder.template_files import check_names, load_templates
from mixture_builder.yaml_files import check_against_schema

CARD: dict[str, Any] = {
    "id": "docs/sound",
    "title": "A sound card",
    "description": "What fragments in the documentation are laid over.",
    "category": "natural language inference",
    "kind": "classification",
    "languages": ["en"],
    "source": {"files": ["rows.jsonl"], "format": "jsonl", "split": "train", "revision": "1"},
    "fields": {
        "premise": "premise",
        "hypothesis": "hypothesis",
        "note": {"value": "note", "optional": True},
        "options": "['yes', 'no']",
        "answer_index": "label",
    },
    "templates": "docs/sound",
    "licence": {"id": "CC0-1.0"},
    "size": {"rows": 2},
    "sample": [{"premise": "It rains.", "hypothesis": "It is wet.", "label": 0}],
}
RECIPE: dict[str, Any] = {
    "name": "sound",
    "size": {"examples": 10},
    "submixtures": {"docs": {"rate": 1, "tasks": ["docs/*"]}},
}
STYLES = ("exemplar_styles", "option_styles", "dialog_styles")


def kind_of(data: Any) -> str:
    """Which kind of file a whole document is; empty if none."""
    keys = set(data) if isinstance(data, dict) else set()
    if {"name", "submixtures", "size"} <= keys:
        return "recipe"
    if {"about", "templates"} <= keys:
        return "templates"
    if {"id", "fields"} <= keys or "tasks" in keys or "family" in keys:
        return "card"
    if "sources" in keys:
        return "mirror"
    return ""


def findings_of(kind: str, text: str, *, fragment: bool, folder: Path) -> list[Finding]:
    """Everything that is wrong with a snippet."""
    path = folder / "docs" / "snippet.yaml"
    path.parent.mkdir(parents=True)
    if fragment:
        text = _laid_over(kind, text)
    path.write_text(text, encoding="utf-8")
    if kind == "card":
        return load_card_file(path, shown_as="snippet.yaml")[1]
    if kind == "recipe":
        return load_recipe(path, shown_as="snippet.yaml")[1]
    if kind == "mirror":
        try:
            Mirror.load(path)
        except InvalidFilesError as problem:
            # The local copies of a page are not there; what else is wrong counts.
            return [f for f in problem.findings if not f.message.startswith("there is no ")]
        return []
    if kind == "templates":
        loaded, findings = load_templates(folder, "docs/snippet")
        if loaded is None or not fragment:
            return findings
        sound = folder / "sound.yaml"
        sound.write_text(yaml.safe_dump(CARD), encoding="utf-8")
        ((card,), _) = load_card_file(sound, shown_as="sound.yaml")
        return list(
            check_names(
                loaded, known=card.template_names(), optional=frozenset(["note"]), task=card.id
            )
        )
    assert kind in STYLES, f"no kind of file is called {kind}"
    plain = yaml.safe_load(text)
    return check_against_schema(plain, schema_name=kind, path=path, shown_as="snippet.yaml")


def _laid_over(kind: str, text: str) -> str:
    if kind == "templates":
        return f"about: A fragment.\ntemplates:\n{textwrap.indent(text, '  ')}"
    if kind in STYLES:
        from mixture_builder.shipped import templates_folder

        _, plain, _ = load_styles(templates_folder())
        base: dict[str, Any] = plain[kind.replace("_styles", "s")]
    else:
        base = {"card": CARD, "recipe": RECIPE}[kind]
    try:
        laid = yaml.safe_load(text)
    except yaml.YAMLError:
        # What is no YAML is wrong by itself.
        return text
    return yaml.safe_dump({**base, **laid}, sort_keys=False, allow_unicode=True)
