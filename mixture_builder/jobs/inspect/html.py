"""What pages that hold texts of strangers have in common."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

KIND_NAMES: Mapping[str, tuple[str, str]] = {
    "instruction": ("instruction", "stands once above the exemplars"),
    "exemplar": ("exemplar", "a solved row's prompt"),
    "exemplar_target": ("exemplar's target", "its solution"),
    "query": ("query", "what is asked"),
    "options": ("options", "the answers to choose from"),
    "label": ("label", "what a style puts around prompts and targets"),
    "separator": ("separator", "what a style puts between exemplars"),
    "target": ("target", "what is to be predicted"),
}
"""The kinds of parts as a reader meets them: name and meaning."""


def page_head(title: str, *, style: str, script: str) -> str:
    """A page up to the beginning of its body.

    A Content-Security-Policy lets no script run and no style apply but these. The script is to
    stand in the body, letter for letter.
    """
    rules = policy(style=style, script=script)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(rules)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def page_style(own: Path) -> str:
    """A page's CSS: colours of parts and page in a light and a dark scheme, and its own."""
    return _shared("part_colours.css") + own.read_text(encoding="utf-8")


def page_script(own: Path) -> str:
    """A page's script: what all of them begin with, and its own."""
    return _shared("page.js") + own.read_text(encoding="utf-8")


def _shared(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def policy(*, style: str, script: str) -> str:
    """A Content-Security-Policy under which only this style and this script have an effect."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def inert_json(data: Any) -> str:
    """JSON that ends no script element and opens no comment, whatever its texts hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
