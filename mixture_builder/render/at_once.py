"""How many draws of a task are rendered at once, so that their texts fit into memory and Arrow."""

from __future__ import annotations

from collections.abc import Callable

from mixture_builder.draw import Indices
from mixture_builder.render.batch import RenderedExamples, TaskContext, TooMuchTextError

PART_BYTES = 128 << 20
"""About what the texts that are rendered at once may take; those of a shard nearly always do."""


def render_in_parts(
    context: TaskContext,
    draws: Indices,
    *,
    nothing: Callable[[], RenderedExamples],
    render: Callable[[Indices], RenderedExamples],
    one: Callable[[Indices], RenderedExamples],
) -> RenderedExamples:
    """What a way to render makes of draws: of fewer at a time where they are too much at once.

    Args:
      context: of the task.
      draws: any.
      nothing: what there is before anything is rendered.
      render: the way; may raise `TooMuchTextError`.
      one: how a draw is rendered that is too much by itself.
    """
    most = _draws_at_once(context)
    if len(draws) <= most:
        try:
            return render(draws)
        except TooMuchTextError:
            if len(draws) == 1:
                return one(draws)
            most = len(draws) // 2
    result = nothing()
    for start in range(0, len(draws), most):
        some = draws[start : start + most]
        result.add(render_in_parts(context, some, nothing=nothing, render=render, one=one))
    return result


def _draws_at_once(context: TaskContext) -> int:
    """Draws whose texts take about `PART_BYTES`, as rows are large on average."""
    row = context.rows.size / max(1, context.rows.count)
    return max(1, int(PART_BYTES / max(1.0, row * (1 + context.plan.most_exemplars))))
