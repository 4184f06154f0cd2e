"""Fills the parts of the reference that follow from the code, and lends the site its schemas.

A part of a page stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`; what is between
is written anew by the function of that name in `PARTS`. MkDocs runs this file as a hook, so every
build starts with true pages; a test fails when a page was not written anew.

    python docs/generate.py            write
    python docs/generate.py --check    exit with 1 if a page is stale
"""

# ruff: noqa: INP001  (MkDocs loads it by its path; there is no package)

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
SCHEMAS = DOCS.parent / "mixture_builder" / "schemas"

_PART = re.compile(
    r"(?P<open><!-- generated: (?P<name>[a-z_]+) -->\n).*?(?P<close><!-- end: (?P=name) -->)",
    re.DOTALL,
)
_RANGE = re.compile(r"\[\d*(<=)?x[<>]=\d+\]")
_CODE_SPAN = re.compile(r"(`[^`]*`)")


def main(arguments: list[str]) -> int:
    """Writes all pages, or with `--check` says which are stale; the exit code."""
    stale = [path for path in pages() if fresh(path) != path.read_text(encoding="utf-8")]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(DOCS.parent)}: stale. Run `make docs`.\n")
        return 1 if stale else 0
    for path in stale:
        text = fresh(path)
        path.write_text(text, encoding="utf-8")
    return 0


def pages() -> list[Path]:
    """All pages that hold a generated part."""
    return [p for p in sorted(DOCS.rglob("*.md")) if _PART.search(p.read_text(encoding="utf-8"))]


def fresh(path: Path) -> str:
    """The text of a page with its generated parts as the code has them now.

    Raises:
      KeyError: if a page names a part that there is not.
    """

    def part(found: re.Match[str]) -> str:
        return f"{found['open']}\n{PARTS[found['name']]()}\n\n{found['close']}"

    return _PART.sub(part, path.read_text(encoding="utf-8"))


# --- Tables ------------------------------------------------------------------------------


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; cells may hold any text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(text: str) -> str:
    return "".join(map(_escaped, _CODE_SPAN.split(" ".join(text.split()))))


def _escaped(part: str) -> str:
    """Text or a code span, told apart from tags and from the borders of the table."""
    if not part.startswith("`"):
        return part.replace("<", "&lt;").replace("|", "&#124;")
    if "|" not in part:
        return part
    inside = part.strip("`").replace("<", "&lt;").replace("|", "&#124;")
    return f"<code>{inside}</code>"


def _code(text: object) -> str:
    return f"`{text}`"


# --- Keys of YAML files ------------------------------------------------------------------


def schema_keys(name: str) -> str:
    """A table of all keys that a schema knows, nested ones with dots."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    rows = [
        [_code(key), _kind(spec), "yes" if required else "", _sentence(spec)]
        for key, spec, required in _keys(schema, "", schema)
    ]
    return table(["Key", "Value", "Required", "Meaning"], rows)


def _keys(
    spec: Mapping[str, Any], prefix: str, root: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    required = set(spec.get("required", ()))
    for key, raw in spec.get("properties", {}).items():
        inner = _resolved(raw, root)
        known = _resolved(root["properties"].get(key, {}), root)
        if prefix and known == inner and "properties" in str(inner):
            # A part may set anew what the whole sets: its keys are listed once.
            again = f"{_sentence(inner)}; keys as under `{key}`"
            yield f"{prefix}{key}", {**inner, "description": again}, key in required
            continue
        yield f"{prefix}{key}", inner, key in required
        yield from _below(inner, f"{prefix}{key}", root)


def _below(
    spec: Mapping[str, Any], path: str, root: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    if "properties" in spec:
        yield from _keys(spec, f"{path}.", root)
        return
    items = _resolved(spec.get("items", {}), root)
    if "properties" in items:
        yield from _keys(items, f"{path}[].", root)
    values = spec.get("additionalProperties")
    if isinstance(values, dict):
        inner = _resolved(values, root)
        # A part of a mixture holds parts itself: once is enough.
        if "properties" in inner and "<name>" not in path:
            yield from _keys(inner, f"{path}.<name>.", root)


def _resolved(spec: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in spec:
        target: Any = root
        for step in spec["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        spec = {**target, **{k: v for k, v in spec.items() if k != "$ref"}}
    return spec


def _kind(spec: Mapping[str, Any]) -> str:
    if "enum" in spec:
        return " or ".join(_code(json.dumps(v).strip('"')) for v in spec["enum"])
    kinds = spec.get("type", "any")
    words = {
        "array": "list",
        "object": "mapping",
        "string": "text",
        "integer": "whole number",
        "boolean": "`true` or `false`",
        "null": "`null`",
    }
    kinds = [kinds] if isinstance(kinds, str) else kinds
    text = " or ".join(words.get(k, k) for k in kinds)
    if "minimum" in spec and kinds != ["string"]:
        bound = f"at least {spec['minimum']:,}"
        text += f", {bound}" if "maximum" not in spec else f", {bound}, at most {spec['maximum']:,}"
    return text


def _sentence(spec: Mapping[str, Any]) -> str:
    return str(spec.get("description", "")).rstrip(".")


# --- The command line --------------------------------------------------------------------


def cli() -> str:
    """Every command with its usage, its help and its options."""
    import click

    from mixture_builder.cli.main import COMMANDS
    from mixture_builder.cli.main import cli as group

    # With the group's own settings: click keeps the help option that it makes for a context.
    top = click.Context(group, info_name="mixture-builder", **group.context_settings)
    blocks: list[str] = []
    for name in COMMANDS:
        command = group.get_command(top, name)
        if command is None:
            continue
        blocks.extend(_command(command, click.Context(command, info_name=name, parent=top), "##"))
    return "\n\n".join(blocks)


def _command(command: Any, context: Any, heading: str) -> Iterator[str]:
    import click

    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"{heading} {context.command_path.removeprefix('mixture-builder ')}"
    yield f"```text\n{' '.join(usage.split())}\n```"
    if command.help:
        yield "\n\n".join(" ".join(p.split()) for p in command.help.split("\n\n"))
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        # Arguments stand in the usage and the text.
        if record is None or not record[1] or "--help" in parameter.opts:
            continue
        rows.append([_code(record[0]), _RANGE.sub("", record[1])])
    if rows:
        yield table(["Option", "Meaning"], rows)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _command(
                    inner, click.Context(inner, info_name=name, parent=context), heading + "#"
                )


# --- What else follows from code ---------------------------------------------------------


def columns() -> str:
    """The columns of a finished mixture."""
    from mixture_builder.io.example_schema import EXAMPLE_COLUMNS, EXAMPLE_SCHEMA

    def kind(name: str) -> str:
        found = EXAMPLE_SCHEMA.field(name).type
        inner = getattr(found, "value_type", None)
        return f"list of {inner}" if inner is not None else str(found)

    rows = [[_code(name), kind(name), meaning] for name, meaning in EXAMPLE_COLUMNS.items()]
    return table(["Column", "Type", "Holds"], rows)


def row_reasons() -> str:
    """Why a record becomes no row."""
    from mixture_builder.canonical import ROW_REASONS
    from mixture_builder.io.readers.records import BAD_REASONS

    reasons: dict[str, str] = {str(name): why for name, why in BAD_REASONS.items()}
    for name, why in ROW_REASONS.items():
        reasons.setdefault(name, why)
    rows = [[_code(name), why] for name, why in reasons.items()]
    return table(["Reason", "Why the record gave no row"], rows)


def jinja_names() -> str:
    """What templates and expressions may use."""
    from mixture_builder.jinja_sandbox import FILTER_NAMES, TEST_NAMES, TEXT_METHODS

    rows = [
        ["filters (`{{ x | name }}`)", ", ".join(map(_code, FILTER_NAMES))],
        ["tests (`x is name`)", ", ".join(map(_code, TEST_NAMES))],
        ["methods of texts (`x.name()`)", ", ".join(map(_code, sorted(TEXT_METHODS)))],
    ]
    return table(["What", "Names"], rows)


def recipes() -> str:
    """The shipped recipes."""
    import yaml

    from mixture_builder.shipped import recipes_folder

    rows = []
    for path in sorted(recipes_folder().glob("*.yaml")):
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows.append([_code(path.stem), plain.get("description", "")])
    return table(["Recipe", "What it is for"], rows)


def style_counts() -> str:
    """How many pieces the shipped pools hold."""
    from mixture_builder.shipped import templates_folder
    from mixture_builder.styles import load_styles

    pools, _, _ = load_styles(templates_folder())
    assert pools is not None
    rows = [
        ["`exemplars.yaml`", "`labels`", f"{len(pools.labels)}"],
        ["", "`separators`", f"{len(pools.separators)}"],
        ["`options.yaml`", "`lead_ins`", f"{len(pools.option_lead_ins)}"],
        ["", "`items`", f"{len(pools.option_items)}"],
        ["", "`endings`", f"{len(pools.option_endings)}"],
        ["", "`separators`", f"{len(pools.option_separators)}"],
        ["`dialogs.yaml`", "`lead_ins`", f"{len(pools.dialog_lead_ins)}"],
        ["", "`speakers`", f"{len(pools.dialog_speakers)}"],
        ["", "`turn_ends`", f"{len(pools.dialog_turn_ends)}"],
    ]
    return table(["File", "Pool", "Pieces shipped"], rows)


def public_names() -> str:
    """The public names of the package."""
    import mixture_builder

    rows = []
    for name in mixture_builder.__all__:
        found = getattr(mixture_builder, name)
        if name == "__version__":
            about = "the version of the package"
        else:
            about = (found.__doc__ or "").strip().split("\n\n")[0].rstrip(".")
        rows.append([_code(name), about])
    return table(["Name", "Is"], rows)


def export_targets() -> str:
    """Who can be exported for."""
    from mixture_builder.export.targets import MODULES, find_target

    rows = []
    for name in MODULES:
        target = find_target(name)
        tokenizer = "needed" if target.tokenizer else "possible" if target.may_tokenize else ""
        rows.append([_code(name), target.about, "yes" if target.joins else "", tokenizer])
    return table(["`--for`", "Reader and form", "Separator", "Tokenizer"], rows)


def export_settings() -> str:
    """What targets let their users choose."""
    from mixture_builder.export.targets import MODULES, find_target

    rows = []
    for name in MODULES:
        for key, setting in find_target(name).settings.items():
            given = setting.default is not None
            default = (_code(setting.default) if setting.default else "empty") if given else "none"
            rows.append([_code(name), _code(key), default, setting.about])
    return table(["`--for`", "Key", "Default", "Decides"], rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "cli": cli,
    "columns": columns,
    "row_reasons": row_reasons,
    "jinja_names": jinja_names,
    "public_names": public_names,
    "export_targets": export_targets,
    "export_settings": export_settings,
    "recipes": recipes,
    "style_counts": style_counts,
    "recipe_keys": lambda: schema_keys("recipe"),
    "task_card_keys": lambda: schema_keys("task_card"),
    "card_family_keys": lambda: schema_keys("card_family"),
    "template_keys": lambda: schema_keys("templates"),
    "exemplar_style_keys": lambda: schema_keys("exemplar_styles"),
    "option_style_keys": lambda: schema_keys("option_styles"),
    "dialog_style_keys": lambda: schema_keys("dialog_styles"),
}


# --- Hooks of MkDocs ---------------------------------------------------------------------


def on_startup(**_: Any) -> None:
    """Writes the generated parts before pages are read."""
    main([])


def on_files(files: Any, *, config: Any) -> Any:
    """Adds the JSON Schemas to the site, under `schemas/`."""
    from mkdocs.structure.files import File

    for path in sorted(SCHEMAS.glob("*.schema.json")):
        files.append(File.generated(config, f"schemas/{path.name}", abs_src_path=str(path)))
    return files


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
