"""Every command in the documentation runs and prints what the page shows.

UPDATE_DOCS=1 pytest tests/docs/test_commands.py     writes what commands print into the pages
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, ROOT, Block, blocks_of
from tests.docs.shell import Shown, agrees, run_page

UPDATE = bool(os.environ.get("UPDATE_DOCS"))

PAGES = [
    pytest.param(page, id=page.relative_to(DOCS).as_posix())
    for page in sorted(DOCS.rglob("*.md"))
    if any(b.language == "console" and "not run" not in b.notes for b in blocks_of(page))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path):
    """The commands of a page, run in its order in one folder, do what the page says."""
    wrong: list[str] = []
    ran: list[tuple[Block, list[Shown]]] = []
    for block, shown in run_page(page, home=tmp_path):
        ran.append((block, shown))
        for number, one in enumerate(shown, start=1):
            expected_code = int(block.notes.get("exit", 0)) if number == len(shown) else 0
            if one.exit_code != expected_code or not agrees(one.expected, one.found):
                wrong.append(
                    f"{block.place}: $ {one.command}\n--- page (exit {expected_code})\n"
                    f"{one.expected}--- found (exit {one.exit_code})\n{one.found}"
                )
    if UPDATE and wrong:
        _write(page, ran)

    assert not wrong, "\n".join(wrong)


def _write(page: Path, ran: list[tuple[Block, list[Shown]]]) -> None:
    """Puts what was printed into the page; where the page agrees it stays as it is."""
    lines = (ROOT / page).read_text(encoding="utf-8").split("\n")
    for block, shown in reversed(ran):
        length = block.text.count("\n")
        new = "".join(
            f"$ {s.command}\n{s.expected if agrees(s.expected, s.found) else s.found}"
            for s in shown
        )
        lines[block.line : block.line + length] = new.removesuffix("\n").split("\n")
    page.write_text("\n".join(lines), encoding="utf-8")
