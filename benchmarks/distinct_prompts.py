"""Counts how many different examples one row gives: templates, styles and orders of options.

    python -m benchmarks.distinct_prompts TASK...     for tasks of the shipped cards

The first sample record of a task's card is drawn a thousand times, zero-shot and, where the task
has options, with and without them. Exemplars are left out, since they come from other rows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from mixture_builder.card_files import load_cards
from mixture_builder.cli.output import table
from mixture_builder.jobs.inspect.loaded_tasks import LoadedTask
from mixture_builder.jobs.inspect.preview import preview
from mixture_builder.recipes import recipe_from_json
from mixture_builder.shipped import cards_folder, templates_folder
from mixture_builder.styles import load_styles
from mixture_builder.template_files import load_templates

DRAWS = 1000

HEADER = ["task", "templates", "prompts", "pairs"]


def main(tasks: list[str]) -> int:
    """Prints a line for each task; 1 if a task is not known."""
    cards, _ = load_cards(cards_folder())
    unknown = [task for task in tasks if task not in cards]
    if unknown:
        sys.stderr.write(f"no card of the id {', '.join(unknown)}\n")
        return 1
    recipe = recipe_from_json(
        {
            "name": "distinct",
            "size": {"examples": DRAWS},
            "submixtures": {"all": {"rate": 1, "tasks": tasks}},
            "variants": {"zs_opt": 1, "zs_noopt": 1},
        },
        file="distinct",
    )
    styles, _, _ = load_styles(templates_folder())
    rows = []
    for task in tasks:
        card = replace(cards[task], sample=cards[task].sample[:1])
        templates, _ = load_templates(templates_folder(), card.templates)
        if templates is None or styles is None:
            sys.stderr.write(f"{task}: its templates or the styles have errors\n")
            return 1
        loaded = LoadedTask(
            recipe=recipe,
            part=recipe.root.parts[0],
            card=card,
            templates=templates,
            styles=styles,
        )
        # Nothing is stored there, so the row is the card's own.
        made = preview(loaded, store=Path("nothing-is-stored-here"), count=DRAWS).examples
        prompts = {example.inputs for example in made}
        pairs = {(example.inputs, example.targets) for example in made}
        used = len({example.template for example in made})
        rows.append([task, f"{used}", f"{len(prompts):,}", f"{len(pairs):,}"])
    print(table(HEADER, rows, right=HEADER[1:]))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("tasks", nargs="+", metavar="TASK")
    sys.exit(main(parser.parse_args().tasks))
