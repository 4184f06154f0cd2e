"""A first card for a source that has none: what can be seen is written, the rest is asked for.

    look.py    what the source is: format from its bytes, first records, size
    columns.py what its columns hold, and how they are named
    guess.py   which of them are which canonical fields
    write.py   the YAML text, with every guess marked as one
    draft.py   all of it together

Nothing is copied but two shortened records: they are the user's own data, in their own card.
"""

from mixture_builder.jobs.draft.draft import Draft, draft_card

__all__ = ["Draft", "draft_card"]
