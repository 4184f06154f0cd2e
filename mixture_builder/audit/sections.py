"""What an audit looks at; see `report.Section` for how to add to it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mixture_builder.audit import (
    conflicts,
    content,
    coverage,
    held_out,
    labels,
    languages,
    lengths,
    licences,
    prompts,
    samples,
    styles,
    texts,
)
from mixture_builder.audit.report import Section

SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "coverage": Section(coverage.observe, coverage.merge, coverage.report),
        "styles": Section(styles.observe, styles.merge, styles.report),
        "prompts": Section(prompts.observe, prompts.merge, prompts.report),
        "texts": Section(texts.observe, texts.merge, texts.report),
        "conflicts": Section(conflicts.observe, conflicts.merge, conflicts.report),
        "content": Section(content.observe, content.merge, content.report),
        "labels": Section(labels.observe, labels.merge, labels.report),
        "held_out": Section(held_out.observe, held_out.merge, held_out.report),
        "languages": Section(languages.observe, languages.merge, languages.report),
        "lengths": Section(lengths.observe, lengths.merge, lengths.report),
        "licences": Section(licences.observe, licences.merge, licences.report),
        "samples": Section(samples.observe, samples.merge, samples.report),
    }
)
"""All sections by the name under which their figures stand in the document."""
