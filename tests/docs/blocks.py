"""Fenced blocks of the documentation, with the comments that say what to do with them.

    <!-- fragment: card -->     a piece of YAML, laid over a sound card, is sound
    <!-- wrong: card -->        it is not; the `text` block that follows holds what is said of it
    <!-- accepted: recipe -->   it is sound, though it does not do what one might think
    <!-- not run: why -->       the commands of a `console` block are only shown
    <!-- exit: 1 -->            the last command of a `console` block ends with this code

A block with `title="path"` is a file that the commands of its page find under that path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)(`{3,})([\w-]*) *(.*)$")
_NOTE = re.compile(r"^ *<!-- ([a-z ]+): (.*?) -->$")
_FENCED = re.compile(r"^ *(`{3,}).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block.

    Attributes:
      page: path below the root of the project.
      line: of the opening fence, from 1.
      language: the word after the fence.
      title: the file it stands for, or nothing.
      notes: the comments above it.
      text: what it holds, with a line end.
      after: language and text of the block that follows on the page.
    """

    page: str
    line: int
    language: str
    title: str
    notes: Mapping[str, str]
    text: str

    @property
    def place(self) -> str:
        """Page and line, for messages and test ids."""
        return f"{self.page}:{self.line}"


def written_pages() -> list[Path]:
    """Pages that people read: those of the site, and those at the root."""
    return [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def prose_of(page: Path) -> str:
    """A page without its blocks."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page, in their order."""
    lines = page.read_text(encoding="utf-8").split("\n")
    notes: dict[str, str] = {}
    at = 0
    while at < len(lines):
        note, fence = _NOTE.match(lines[at]), _FENCE.match(lines[at])
        if note:
            notes[note[1]] = note[2]
        elif fence:
            indent, marks = len(fence[1]), fence[2]
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == marks)
            title = _TITLE.search(fence[4])
            yield Block(
                page=page.relative_to(ROOT).as_posix(),
                line=at + 1,
                language=fence[3],
                title=title[1] if title else "",
                notes=dict(notes),
                text="".join(line[indent:] + "\n" for line in lines[at + 1 : end]),
            )
            notes, at = {}, end
        elif lines[at].strip():
            notes = {}
        at += 1
