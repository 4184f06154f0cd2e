"""What an audit looks at; see `report.Section` for how to add to it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mixture_builder.audit import coverage
from mixture_builder.audit.report import Section

SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "coverage": Section(observe=coverage.observe, merge=coverage.merge, report=coverage.report),
    }
)
"""All sections by the name under which their figures stand in the document."""
