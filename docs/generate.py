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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
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
    from mixture_builder.jinja_sandbox import (
        FILTER_NAMES,
        FUNCTION_NAMES,
        LIST_METHODS,
        TEST_NAMES,
        TEXT_METHODS,
    )

    rows = [
        ["filters (`{{ x | name }}`)", ", ".join(map(_code, FILTER_NAMES))],
        ["tests (`x is name`)", ", ".join(map(_code, TEST_NAMES))],
        ["functions (`name(x)`)", ", ".join(map(_code, sorted(FUNCTION_NAMES)))],
        ["methods of texts (`x.name()`)", ", ".join(map(_code, sorted(TEXT_METHODS)))],
        ["methods of lists (`x.name()`)", ", ".join(map(_code, sorted(LIST_METHODS)))],
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


def coverage() -> str:
    """Which cards have met rows of their upstream files, as `scripts/card_coverage.py` found."""
    from mixture_builder.card_files import load_cards
    from mixture_builder.shipped import cards_folder

    met = json.loads((DOCS / "reference" / "coverage.json").read_text(encoding="utf-8"))
    parts = {"muffin": "Muffin", "t0_sf": "T0-SF", "cot": "Chain of thought", "niv2": "NIV2"}
    cards, _ = load_cards(cards_folder(), wanted=lambda path: path.split("/")[0] in parts)
    tasks = {part: [t for t, c in cards.items() if c.submixture == part] for part in parts}
    totals = [
        [
            name,
            f"{len(tasks[part]):,}",
            f"{sum(t in met for t in tasks[part]):,}",
            f"{sum(t not in met for t in tasks[part]):,}",
            f"{sum(met[t]['rows'] for t in tasks[part] if t in met):,}",
        ]
        for part, name in parts.items()
    ]
    header = ["Part", "Cards", "Have met real records", "Samples only", "Rows"]
    blocks = [table(header, totals)]
    for part in ("muffin", "t0_sf", "cot"):
        rows = [
            [_code(task), *(f"{met[task][key]:,}" for key in ("records", "rows"))]
            if task in met
            else [_code(task), "samples only", ""]
            for task in tasks[part]
        ]
        blocks += [f"## {parts[part]}", table(["Card", "Records read", "Rows"], rows)]
    unmet = [task.removeprefix("niv2/") for task in tasks["niv2"] if task not in met]
    blocks += [
        f"## {parts['niv2']}",
        (
            f"All members of the family are read by one card; of these {len(unmet):,} no file was "
            "at hand:"
        ),
        ", ".join(map(_code, unmet)) + ".",
    ]
    return "\n\n".join(blocks)


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


def template_coverage() -> str:
    """How many templates tasks have, which way they go, and how many texts are compiled."""
    from statistics import median

    rows = []
    for name, cards, files in _submixtures():
        counts = [len(files[card.templates].templates) for card in cards]
        every = [t for one in files.values() for t in one.templates]
        with_options = {card.templates for card in cards if card.has_options}
        listing = [
            t
            for file in with_options
            for t in files[file].templates
            if any(v.endswith("_opt") for v in t.served(has_options=True))
        ]
        texts = [text for t in every for text in _texts(t)]
        compiled = sum(not text.fallback for text in texts)
        inverted = sum(t.direction == "inverted" for t in every)
        rows.append(
            [
                _code(name),
                *(f"{n:,}" for n in (len(cards), len(files), len(every))),
                f"{min(counts)}, {median(counts):g}, {max(counts)}",
                f"{len(every) - inverted:,} / {inverted:,}",
                f"{len(listing):,}",
                f"{100 * compiled / len(texts):.1f} % of {len(texts):,}",
            ]
        )
    header = [
        "Submixture",
        "Tasks",
        "Files",
        "Templates",
        "A task has (least, median, most)",
        "Direct / inverted",
        "List options",
        "Texts compiled",
    ]
    return table(header, rows)


def template_fallbacks() -> str:
    """The templates that sandboxed Jinja renders."""
    found = [
        f"- {_code(one.name)}, {_code(template.id)}: {text.fallback}"
        for _, _, files in _submixtures()
        for one in files.values()
        for template in one.templates
        for text in _texts(template)
        if text.fallback
    ]
    return "\n".join(found) or "None: every text is compiled."


def _texts(template: Any) -> list[Any]:
    from mixture_builder.jinja_compiler import compile_text
    from mixture_builder.jobs.inspect.lints.subject import texts_of

    return [compile_text(text.source) for text in texts_of(0, template)]


@lru_cache(maxsize=1)
def _submixtures() -> list[tuple[str, list[Any], dict[str, Any]]]:
    """Name, cards and template files of each submixture."""
    from mixture_builder.card_files import load_cards
    from mixture_builder.shipped import cards_folder, templates_folder
    from mixture_builder.template_files import load_templates

    cards, _ = load_cards(cards_folder())
    result = []
    for name in sorted({card.submixture for card in cards.values()}):
        mine = [card for card in cards.values() if card.submixture == name]
        files = {}
        for file in sorted({card.templates for card in mine}):
            loaded, _ = load_templates(templates_folder(), file)
            assert loaded is not None
            files[file] = loaded
        result.append((name, mine, files))
    return result


def lints() -> str:
    """What `templates check` looks for."""
    from mixture_builder.jobs.inspect.lints.problem import LINTS

    rows = [
        [_code(name), lint.severity.value, "yes" if lint.allowable else "", lint.finds]
        for name, lint in LINTS.items()
    ]
    return table(["Lint", "Severity", "May be allowed", "Finds"], rows)


PROOFS = DOCS.parent / "tests" / "readers" / "proofs.json"


def export_proofs() -> str:
    """Which reader has read which export, as `make interop` noted it."""
    rows = [
        [
            _code(proof["target"]),
            proof["form"],
            f"{proof['reader']} {proof['version']}",
            proof["through"],
        ]
        for proof in json.loads(PROOFS.read_text(encoding="utf-8"))
    ]
    return table(["`--for`", "Form", "Read by", "Through"], rows)


def export_proof_counts() -> str:
    """How many examples each of them read."""
    (first, *_) = json.loads(PROOFS.read_text(encoding="utf-8"))
    counts = " and ".join(f"{count:,} for {split}" for split, count in first["examples"].items())
    return f"Each of them read the same examples: {counts}."


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


# --- How sources were checked ------------------------------------------------------------


EVIDENCE = ("rows", "repository", "documentation", "none")
"""How an address or its columns were checked, the best first."""

STATES = ("public", "manual", "legal", "gone", "unknown")


@lru_cache
def _shipped_cards() -> Mapping[str, Any]:
    from mixture_builder.card_files import load_cards
    from mixture_builder.shipped import cards_folder

    cards, _ = load_cards(cards_folder(), expressions=False)
    return cards


def checked(part: str) -> str:
    """Tasks of each submixture, by how a part of their first source was checked."""

    def evidence(card: Any) -> str:
        found = card.sources[0].checked
        return found[part] if found else "not said"

    return _per_submixture((*EVIDENCE, "not said"), evidence)


def checked_best() -> str:
    """Tasks of each submixture, by the source of their card that was checked best."""

    def evidence(card: Any) -> str:
        ranks = [
            max(EVIDENCE.index(s.checked["address"]), EVIDENCE.index(s.checked["columns"]))
            for s in card.sources
            if s.checked
        ]
        return EVIDENCE[min(ranks)] if ranks else "not said"

    return _per_submixture((*EVIDENCE, "not said"), evidence)


def availability() -> str:
    """Tasks of each submixture, by whether their source can be had."""
    return _per_submixture(STATES, lambda card: card.state)


def _per_submixture(values: tuple[str, ...], value_of: Callable[[Any], str]) -> str:
    counts: dict[str, Counter[str]] = {}
    for card in _shipped_cards().values():
        counts.setdefault(card.submixture, Counter())[value_of(card)] += 1
    shown = [value for value in values if any(count[value] for count in counts.values())]
    lines = {_code(name): count for name, count in sorted(counts.items())}
    lines["all"] = sum(counts.values(), Counter())
    rows = [
        [name, f"{sum(count.values()):,}", *(f"{count[v]:,}" if count[v] else "" for v in shown)]
        for name, count in lines.items()
    ]
    header = ["Submixture", "Tasks", *(v if " " in v else _code(v) for v in shown)]
    return table(header, rows)


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


def audit_checks() -> str:
    """What an audit looks for."""
    from mixture_builder.audit.checks import CHECKS

    rows = [
        [_code(check.id), check.severity.value, check.finds, check.decides, check.remedy]
        for check in CHECKS.values()
    ]
    return table(["Check", "Severity", "Finds", "How it decides", "What to do"], rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "cli": cli,
    "audit_checks": audit_checks,
    "columns": columns,
    "coverage": coverage,
    "row_reasons": row_reasons,
    "jinja_names": jinja_names,
    "public_names": public_names,
    "lints": lints,
    "export_targets": export_targets,
    "export_proof_counts": export_proof_counts,
    "export_proofs": export_proofs,
    "export_settings": export_settings,
    "recipes": recipes,
    "template_coverage": template_coverage,
    "template_fallbacks": template_fallbacks,
    "style_counts": style_counts,
    "checked_addresses": lambda: checked("address"),
    "checked_columns": lambda: checked("columns"),
    "checked_best": checked_best,
    "availability": availability,
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
