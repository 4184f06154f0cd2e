"""`export`: from a finished mixture to the files that a trainer reads."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import Decorator, json_option, together, workers_option
from mixture_builder.cli.output import byte_size, facts, many, show_json
from mixture_builder.cli.pooled import workers_for
from mixture_builder.export.targets import MODULES

if TYPE_CHECKING:
    from mixture_builder.export.options import ExportOptions


class Share(click.ParamType[Fraction]):
    """A share from 0 to below 1: `0.01`, `1/100` or `1%`, kept exactly."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """The exact fraction."""
        if isinstance(value, Fraction):
            return value
        text = str(value).strip()
        try:
            share = Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
        except (ValueError, ZeroDivisionError):
            share = Fraction(-1)
        if not 0 <= share < 1:
            self.fail(f"found '{text}'; expected a share such as 0.01 or 1%.", param, ctx)
        return share


def _settings(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for value in values:
        key, equals, setting = value.partition("=")
        if not equals or not key:
            message = f"found '{value}'; expected KEY=VALUE."
            raise click.BadParameter(message, ctx=ctx, param=parameter)
        found[key] = setting
    return found


validation_option: Decorator = click.option(
    "--validation",
    type=Share(),
    default="0",
    metavar="SHARE",
    help="Share of the rows held back for a validation split, such as 1%.  [default: 0]",
)
_shaping = together(
    validation_option,
    click.option(
        "--validation-seed",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Hold back other rows.  [default: 0]",
    ),
    click.option(
        "--separator",
        metavar="TEXT",
        help="What stands between prompt and target where they become one text.  "
        "[default: a space]",
    ),
    click.option(
        "--tokenizer",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The tokenizer.json of the model, for targets that write token ids.",
    ),
    click.option(
        "--certify",
        is_flag=True,
        help="Also look whether the tokens of each prompt are a prefix of the tokens of the "
        "whole; exit with 1 if not.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=_settings,
        metavar="KEY=VALUE",
        help="A setting of the target's own; may be given again.",
    ),
)


@click.command(short_help="Write a mixture as a trainer reads it.")
@click.argument("mixture", metavar="DIR")
@click.option(
    "--for",
    "target",
    required=True,
    type=click.Choice(list(MODULES)),
    metavar="NAME",
    help=f"Who reads it: {', '.join(MODULES)}.",
)
@click.option("--out", required=True, metavar="DIR", help="Folder or URL of the export.")
@_shaping
@workers_option
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    *,
    mixture: str,
    target: str,
    out: str,
    validation: Fraction,
    validation_seed: int,
    separator: str | None,
    tokenizer: Path | None,
    certify: bool,
    settings: dict[str, str],
    workers: int | None,
    as_json: bool,
) -> None:
    """Write what a trainer or loader reads, from the finished mixture in DIR.

    The mixture itself is not changed. The export's manifest, export.json, is written last: where
    it stands, the export is complete. An interrupted export goes on when it is run again.
    """
    from mixture_builder.export.options import ExportOptions

    summary = do_export(
        mixture.rstrip("/") or mixture,
        target=target,
        out=out.rstrip("/") or out,
        options=ExportOptions(
            validation=validation,
            seed=validation_seed,
            separator=separator,
            tokenizer=str(tokenizer) if tokenizer else "",
            certify=certify,
            settings=settings,
        ),
        workers=workers,
    )
    if as_json:
        show_json(summary)
    else:
        click.echo(summary_text(summary))
    if failed(summary):
        ctx.exit(1)


def failed(summary: dict[str, Any]) -> bool:
    """Whether a certificate was asked for and some examples fail."""
    return bool(summary.get("certificate", {}).get("violations"))


def do_export(
    mixture: str, *, target: str, out: str, options: ExportOptions, workers: int | None
) -> dict[str, Any]:
    """Exports and gives a summary as plain data."""
    from mixture_builder.cli.progress import JobLog
    from mixture_builder.drivers.exporting import run_export
    from mixture_builder.export.plan import prepare
    from mixture_builder.export.shard import ShardExport

    plan = prepare(mixture, target=target, out=out, options=options)
    workers = workers_for(workers, size=plan.context.manifest["bytes"], few=FEW_BYTES)
    total = plan.context.manifest["realised"]
    with JobLog(as_json=False).bar("export", total=total, unit="examples") as bar:

        def tell(result: ShardExport, already: bool) -> None:  # noqa: FBT001
            bar.advance(result.rows, already=already)

        manifest = run_export(plan, workers=workers, on_shard=tell)
    shown = ("fingerprint", "mixture", "asked", "examples", "bytes", "report", "files")
    return {
        "out": out,
        "target": target,
        **{key: manifest[key] for key in shown},
        **({"certificate": manifest["certificate"]} if options.certify else {}),
    }


def export_beside(
    mixture: str, *, target: str, validation: Fraction, workers: int | None
) -> dict[str, Any]:
    """Exports a mixture into the folder beside it that has the target's name at its end."""
    from mixture_builder.export.options import ExportOptions

    mixture = mixture.rstrip("/") or mixture
    options = ExportOptions(validation=validation)
    out = f"{mixture}-{target}"
    return do_export(mixture, target=target, out=out, options=options, workers=workers)


FEW_BYTES = 50_000_000
"""Mixtures up to this size are exported in this process: starting workers would take longer."""


def summary_text(summary: dict[str, Any]) -> str:
    """The summary of an export, for people."""
    lines = [
        ("folder", summary["out"]),
        ("files", f"{len(summary['files']):,} ({byte_size(summary['bytes'])})"),
    ]
    for split, count in summary["examples"].items():
        lines.append((split.replace("_", " "), many(count, "example")))
    if "certificate" in summary:
        found = summary["certificate"]
        verdict = (
            f"{found['violations']:,} of {many(found['examples'], 'example')} fail; see "
            f"{summary['out']}/{found['file']}"
            if found["violations"]
            else f"{many(found['examples'], 'example')}, none fails"
        )
        lines.append(("certificate", verdict))
    lines += [(name, text) for name, text in summary["report"].items() if isinstance(text, str)]
    return f"{summary['mixture']['name']}: exported for {summary['target']}\n{facts(lines)}"
