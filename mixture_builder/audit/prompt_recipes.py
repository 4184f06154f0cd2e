"""What prompts are made of, by task, template and variant: frames, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mixture_builder.audit.context import AuditedTask
from mixture_builder.audit.frames import Frame, frame_of
from mixture_builder.audit.text_column import Numbers
from mixture_builder.audit.view import ShardView


@dataclass(frozen=True, kw_only=True)
class PromptRecipe:
    """What a task, a template and a variant have in common.

    Attributes:
      task: `None` if the plan does not name it, or not the template.
      sources: Jinja of prompts, and of targets, that a text may have.
      leads: whether an instruction stands above the exemplars.
      lists: whether options must be listed; `None` if they may.
      direct: whether the answer is predicted.
    """

    task: AuditedTask | None
    sources: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    leads: bool = False
    lists: bool | None = None
    direct: bool = False

    @cached_property
    def inputs(self) -> Mapping[bool, tuple[Frame, ...]]:
        """Frames that a prompt may have, by whether options are listed."""
        return {shows: _frames(self.sources[0], shows=shows) for shows in (False, True)}

    @cached_property
    def targets(self) -> Mapping[bool, tuple[Frame, ...]]:
        """Frames that a target may have, likewise."""
        return {shows: _frames(self.sources[1], shows=shows) for shows in (False, True)}

    @cached_property
    def lone(self) -> bool:
        """Whether the target is the answer and nothing else, where options are listed."""
        return any(frame.lone_name == "answer" for frame in self.targets[True])


_NOTHING = PromptRecipe(task=None)


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
    shows = {cell.shows_options for cell in cells}
    return PromptRecipe(
        task=task,
        sources=(
            tuple(template.input_text(few_shot=f) for f in sorted(forms)),
            tuple(template.target_text(few_shot=f) for f in sorted(forms)),
        ),
        leads=bool(template.instruction) and True in forms,
        lists=shows.pop() if len(shows) == 1 else None,
        direct=template.direction == "direct",
    )


def _frames(sources: Sequence[str], *, shows: bool) -> tuple[Frame, ...]:
    return tuple(frame_of(source, shows_options=shows) for source in dict.fromkeys(sources))


def recipes_of(view: ShardView) -> tuple[list[PromptRecipe], Numbers]:
    """The recipes of a stretch, and the place among them of that of each record."""
    return view.of_sorts("recipes", prompt_recipe), view.sort_codes
