"""`certify`: does a tokenizer see the end of each prompt where the text has it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mixture_builder.cli.options import json_option, workers_option
from mixture_builder.cli.output import many, per_cent, show_json, table
from mixture_builder.cli.pooled import run_all, workers_for

if TYPE_CHECKING:
    from mixture_builder.export.certify import Certificate

FEW_BYTES = 5_000_000
"""Mixtures up to this size are read in this process: starting workers would take longer."""

MOST_TASKS = 20


@click.command(short_help="Check that a tokenizer keeps prompts and targets apart.")
@click.argument("mixture", metavar="DIR")
@click.option(
    "--tokenizer",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The tokenizer.json of the model.",
)
@click.option(
    "--separator",
    metavar="TEXT",
    help="What stands between prompt and target.  [default: a space]",
)
@click.option(
    "--list",
    "listed",
    type=click.IntRange(min=0),
    default=10,
    metavar="N",
    help="Show so many violations.  [default: 10]",
)
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="N",
    help="Look at the first N shards only; each is a likeness of the whole.  [default: all]",
)
@workers_option
@json_option
@click.pass_context
def certify(
    ctx: click.Context,
    *,
    mixture: str,
    tokenizer: Path,
    separator: str | None,
    listed: int,
    shards: int | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Check for every example of the mixture in DIR that the loss mask can be right.

    Trainers count the tokens of the prompt and mask as many of prompt and target together. So the
    tokens of the prompt must be a prefix of the tokens of the whole. Examples where they are not
    are listed and counted; the exit code is then 1.
    """
    from mixture_builder.export.context import DEFAULT_SEPARATOR
    from mixture_builder.export.targets import require
    from mixture_builder.jobs.inspect.records import load_manifest

    require({"tokenizers": "tokenizers"}, wanted_by="certify")
    mixture = mixture.rstrip("/") or mixture
    manifest = load_manifest(mixture)
    first = manifest["shards"][:shards]
    separator = DEFAULT_SEPARATOR if separator is None else separator
    certificate = _certify(
        mixture,
        {"format": manifest["format"], "shards": first},
        tokenizer=tokenizer,
        separator=separator,
        workers=workers,
    )
    plain = certificate.to_json()
    if as_json:
        show_json(
            {
                "name": manifest["name"],
                "content_digest": manifest["content_digest"],
                "shards": len(first),
                "tokenizer": tokenizer.name,
                "separator": separator,
                **plain,
                "listed": plain["listed"][:listed],
            }
        )
    else:
        click.echo(_text(manifest["name"], certificate, separator=separator, listed=listed))
    if certificate.failed:
        ctx.exit(1)


def _certify(
    mixture: str, manifest: dict[str, Any], *, tokenizer: Path, separator: str, workers: int | None
) -> Certificate:
    from mixture_builder.export.certify import ShardToCertify, certify_shard, total

    entries = manifest["shards"]
    return total(
        run_all(
            "certify",
            certify_shard,
            [
                (
                    entry["file"],
                    ShardToCertify(
                        mixture=mixture,
                        manifest=manifest,
                        shard=shard,
                        tokenizer=str(tokenizer),
                        separator=separator,
                    ),
                )
                for shard, entry in enumerate(entries)
            ],
            workers=workers_for(
                workers, size=sum(entry["bytes"] for entry in entries), few=FEW_BYTES
            ),
            total=sum(entry["rows"] for entry in entries),
            unit="examples",
            done=lambda shard: shard.examples,
        )
    )


def _text(name: str, certificate: Certificate, *, separator: str, listed: int) -> str:
    verdict = f"{name}: {many(certificate.examples, 'example')} with the separator {separator!r}; "
    if not certificate.failed:
        return verdict + "the tokens of every prompt are a prefix of the tokens of the whole"
    share = per_cent(certificate.failed / certificate.examples)
    blocks = [f"{verdict}{many(certificate.failed, 'violation')} ({share})"]
    if listed:
        rows = [
            [f"{v.file}:{v.place}", v.task_id, str(v.draw), str(v.token), repr(v.border)]
            for v in certificate.listed[:listed]
        ]
        header = ["record", "task", "draw", "token", "border"]
        blocks.append(table(header, rows, right=["draw", "token"]))
    worst = sorted(certificate.violations.items(), key=lambda item: (-item[1], item[0]))
    counts = [[task, f"{count:,}"] for task, count in worst[:MOST_TASKS]]
    more = len(worst) - len(counts)
    if more:
        counts.append([f"and {many(more, 'task')} more", ""])
    blocks.append(table(["task", "violations"], counts, right=["violations"]))
    cures = [
        [repr(other), f"{certificate.failed - cured:,}"]
        for other, cured in certificate.cured.items()
    ]
    blocks.append(
        "Of these, with another separator (others may fail then: certify again):\n"
        + table(["separator", "still fail"], cures, right=["still fail"])
    )
    return "\n\n".join(blocks)
