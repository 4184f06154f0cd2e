"""What prompts are made of, by task, template and variant: frames, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mixture_builder.audit.context import AuditedTask
from mixture_builder.audit.frames import Frame, frame_of
from mixture_builder.audit.view import Numbers, ShardView


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptRecipe:
    """What a task, a template and a variant have in common.

    Attributes:
      task: `None` if the plan does not name it, or not the template.
      inputs, targets: frames that a text may have, by whether options are listed.
      leads: whether an instruction stands above the exemplars.
      lists: whether options must be listed; `None` if they may.
      direct: whether the answer is predicted.
      lone: whether the target is the answer and nothing else, where options are listed.
    """

    task: AuditedTask | None
    inputs: Mapping[bool, tuple[Frame, ...]]
    targets: Mapping[bool, tuple[Frame, ...]]
    leads: bool
    lists: bool | None
    direct: bool
    lone: bool


_NOTHING = PromptRecipe(
    task=None,
    inputs={False: (), True: ()},
    targets={False: (), True: ()},
    leads=False,
    lists=None,
    direct=False,
    lone=False,
)


def prompt_recipe(task: AuditedTask | None, template_id: str, variant: str) -> PromptRecipe:
    """What the prompts of a task, a template and a variant are made of; nothing if not planned."""
    place = task.template_places.get(template_id) if task else None
    if task is None or place is None:
        return _NOTHING
    template = task.templates[place]
    cells = [c for c in task.plan.cells if c.variant == variant and place in c.templates]
    forms = {cell.few_shot and not task.plan.form_of(cell).mixed_templates for cell in cells} or {
        False
    }
    inputs = {
        shows: _frames([template.input_for(few_shot=f).source for f in sorted(forms)], shows=shows)
        for shows in (False, True)
    }
    targets = {
        shows: _frames([template.target_for(few_shot=f).source for f in sorted(forms)], shows=shows)
        for shows in (False, True)
    }
    shows = {cell.shows_options for cell in cells}
    return PromptRecipe(
        task=task,
        inputs=inputs,
        targets=targets,
        leads=bool(template.instruction) and True in forms,
        lists=shows.pop() if len(shows) == 1 else None,
        direct=template.direction == "direct",
        lone=any(frame.lone_name == "answer" for frame in targets[True]),
    )


def _frames(sources: Sequence[str], *, shows: bool) -> tuple[Frame, ...]:
    return tuple(frame_of(source, shows_options=shows) for source in dict.fromkeys(sources))


def recipes_of(view: ShardView) -> tuple[list[PromptRecipe], Numbers]:
    """The recipes of a stretch, and the place among them of that of each record."""
    known = view.context.recipes
    recipes: list[PromptRecipe] = []
    for task, template, variant in view.sorts:
        key = (view.task_names[task], template, variant)
        if key not in known:
            known[key] = prompt_recipe(view.tasks[task], template, variant)
        recipes.append(known[key])
    return recipes, view.sort_codes
