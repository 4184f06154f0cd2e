"""Words of the Hugging Face Hub for what a mixture says in its own: licences, kinds, sizes.

The Hub lists datasets by these words; what it does not know it refuses or files under `other`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType

UNKNOWN = "unknown"
OTHER = "other"

# From the Hub's own list of licences, those that carry another name there than in SPDX in lower
# case are mapped below.
_LICENCES = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0
    c-uda cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
    ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 gpl-2.0 gpl-3.0 isc lgpl-2.1 lgpl-3.0
    mit mpl-2.0 ms-pl ncsa odc-by ofl-1.1 osl-3.0 pddl postgresql unlicense wtfpl zlib
    """.split()
)

_RENAMED = MappingProxyType(
    {
        "gpl-2.0-only": "gpl-2.0",
        "gpl-2.0-or-later": "gpl-2.0",
        "gpl-3.0-only": "gpl-3.0",
        "gpl-3.0-or-later": "gpl-3.0",
        "lgpl-2.1-only": "lgpl-2.1",
        "lgpl-2.1-or-later": "lgpl-2.1",
        "lgpl-3.0-only": "lgpl-3.0",
        "lgpl-3.0-or-later": "lgpl-3.0",
        "agpl-3.0-only": "agpl-3.0",
        "agpl-3.0-or-later": "agpl-3.0",
        "odc-by-1.0": "odc-by",
        "odbl-1.0": "odbl",
        "pddl-1.0": "pddl",
        "gfdl-1.3-only": "gfdl",
        "gfdl-1.3-or-later": "gfdl",
    }
)

_TASKS = MappingProxyType(
    {
        "classification": "text-classification",
        "multiple_choice": "multiple-choice",
        "extractive_qa": "question-answering",
        "open_qa": "question-answering",
        "translation": "translation",
        "summarization": "summarization",
        "data_to_text": "table-to-text",
    }
)

_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")

_LANGUAGE = re.compile(r"[a-z]{2,3}")


def hub_licence(licence: str) -> str:
    """The Hub's name of a licence, `other` where it has none, `unknown` where nobody knows.

    >>> hub_licence("CC-BY-SA-4.0"), hub_licence("custom"), hub_licence("unknown")
    ('cc-by-sa-4.0', 'other', 'unknown')
    """
    low = licence.strip().lower()
    if low in {"", UNKNOWN, "unspecified"}:
        return UNKNOWN
    low = _RENAMED.get(low, low)
    return low if low in _LICENCES or low in _RENAMED.values() else OTHER


def spdx_address(licence: str) -> str:
    """The page of SPDX about a licence; empty for what is no SPDX licence.

    >>> spdx_address("MIT"), spdx_address("custom")
    ('https://spdx.org/licenses/MIT.html', '')
    """
    known = hub_licence(licence) not in {UNKNOWN, OTHER}
    return f"https://spdx.org/licenses/{licence.strip()}.html" if known else ""


def size_category(examples: int) -> str:
    """The Hub's word for a number of examples.

    >>> size_category(0), size_category(1_000), size_category(15_000_000)
    ('n<1K', '1K<n<10K', '10M<n<100M')
    """
    for power, name in enumerate(_SIZES, start=3):
        if examples < 10**power:
            return name
    return "1B<n<10B"


def task_categories(kinds: Iterable[str]) -> list[str]:
    """The Hub's categories for kinds of tasks; every mixture is for generating text.

    >>> task_categories(["open_qa", "classification", "code"])
    ['text-generation', 'text-classification', 'question-answering']
    """
    found = {_TASKS[kind] for kind in kinds if kind in _TASKS}
    return ["text-generation", *(name for name in dict.fromkeys(_TASKS.values()) if name in found)]


def languages(codes: Iterable[str]) -> list[str]:
    """Language codes as the Hub takes them, each once, sorted; what is no code is left out.

    >>> languages(["en", "pt-BR", "code", "en"])
    ['en', 'pt']
    """
    return sorted({c for code in codes if _LANGUAGE.fullmatch(c := code.split("-")[0].lower())})
