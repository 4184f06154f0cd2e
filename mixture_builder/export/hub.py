"""The README of an export in Parquet, as the Hugging Face Hub and `datasets` read it.

Its head names configs, splits and files; a config whose split has no example has no file, and
the head does not name it.
"""

from __future__ import annotations

import json

from mixture_builder.export.context import ExportContext
from mixture_builder.export.parts import Placed


def dataset_readme(
    context: ExportContext,
    placed: Placed,
    *,
    default: str,
    use: str,
    names: dict[str, str] | None = None,
) -> str:
    """The text of README.md.

    Args:
      context: of the export.
      placed: its files; each series is a config.
      default: the series that is read when no config is named.
      use: Markdown that shows how to read it; FOLDER in it stands for the folder.
      names: of the configs where they differ from those of the series.
    """
    head = ["---", f"pretty_name: {json.dumps(context.name, ensure_ascii=False)}", "configs:"]
    for series in dict.fromkeys(f.series for f in placed.files if f.series):
        name = (names or {}).get(series, series)
        head.append(f"- config_name: {json.dumps(name, ensure_ascii=False)}")
        if series == default:
            head.append("  default: true")
        head.append("  data_files:")
        for split in context.splits:
            files = placed.of(series, split)
            if files:
                pattern = f"{files[0].file.rpartition('/')[0]}/{split}-*.parquet"
                head.append(f"  - split: {split}")
                head.append(f"    path: {json.dumps(pattern, ensure_ascii=False)}")
    head += _sizes(context, placed, names or {})
    head.append("---")
    return "\n".join(head) + "\n\n" + readme(context, placed, use=use)


def _sizes(context: ExportContext, placed: Placed, names: dict[str, str]) -> list[str]:
    """How much there is of each config and split; `datasets` notices when a file is missing."""
    lines = ["dataset_info:"]
    for series in dict.fromkeys(f.series for f in placed.files if f.series):
        name = json.dumps(names.get(series, series), ensure_ascii=False)
        lines += [f"- config_name: {name}", "  splits:"]
        stored = held = 0
        for split in context.splits:
            files = placed.of(series, split)
            if files:
                size = sum(int(p.facts.get("arrow_bytes", 0)) for f in files for p in f.parts)
                rows = sum(f.rows for f in files)
                lines += [
                    f"  - name: {split}",
                    f"    num_bytes: {size}",
                    f"    num_examples: {rows}",
                ]
                held += size
                stored += sum(f.bytes for f in files)
        lines += [f"  download_size: {stored}", f"  dataset_size: {held}"]
    return lines


def readme(context: ExportContext, placed: Placed, *, use: str) -> str:
    """What an export holds and how it is read, for people."""
    digest = context.manifest["content_digest"]
    lines = [
        f"# {context.name}",
        "",
        f"Exported by Mixture Builder from the mixture with the content digest `{digest}`.",
        "`export.json` names every file with its SHA-256.",
        "",
        "| files | split | examples |",
        "|---|---|---|",
    ]
    for series, split in dict.fromkeys((f.series, f.split) for f in placed.files if f.series):
        files = placed.of(series, split)
        shown = files[0].file if len(files) == 1 else f"{files[0].file} ... ({len(files)} files)"
        lines.append(f"| `{shown}` | {split} | {sum(f.rows for f in files):,} |")
    return "\n".join([*lines, "", "## How to read it", "", use.strip(), ""])
