"""What the user of an export chose, held against what the target can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from mixture_builder.errors import UsageError
from mixture_builder.export.targets import Target, check_packages, find_target, require
from mixture_builder.findings import did_you_mean


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """What the user chose.

    Attributes:
      validation: share of the rows that is held back.
      seed: of the held-back rows.
      separator: `None` for the default.
      tokenizer: path of a `tokenizer.json`, or empty.
      certify: whether every example is looked at for the loss-mask certificate.
      settings: the target's own.
    """

    validation: Fraction = Fraction(0)
    seed: int = 0
    separator: str | None = None
    tokenizer: str = ""
    certify: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def check_options(target: str, options: ExportOptions) -> dict[str, str]:
    """Sees to it that a target can do what the user asked for; gives all of its settings.

    Raises:
      UsageError: naming everything that is wrong, or a package that is missing.
    """
    chosen = find_target(target)
    settings = _settings(chosen, options)
    check_packages(chosen)
    if options.tokenizer:
        require({"tokenizers": "tokenizers"}, wanted_by="--tokenizer")
    return settings


def _settings(target: Target, options: ExportOptions) -> dict[str, str]:
    problems = []
    known = target.settings
    for name, value in options.settings.items():
        if name not in known:
            hint = did_you_mean(name, known) or (
                f"Expected one of {', '.join(known)}." if known else "It has none."
            )
            problems.append(f"--set {name}: '{target.name}' has no such setting. {hint}")
        elif (check := known[name].check) and (wrong := check(value)):
            problems.append(f"--set {name}={value}: {wrong}")
    settings = {}
    for name, setting in known.items():
        if name in options.settings:
            settings[name] = options.settings[name]
        elif setting.default is not None:
            settings[name] = setting.default
        else:
            problems.append(
                f"--for {target.name}: '{name}' must be given: {setting.about}. "
                f"Add --set {name}=..."
            )
    if target.tokenizer and not options.tokenizer:
        problems.append(
            f"--for {target.name}: writes token ids and needs a tokenizer. Add --tokenizer FILE, "
            "the tokenizer.json of the model."
        )
    if options.certify and not target.joins:
        problems.append(
            f"--certify: '{target.name}' does not join prompt and target, the chat template of the "
            "model does. Use `mixture-builder certify` to look at the texts themselves."
        )
    if options.certify and not options.tokenizer:
        problems.append("--certify: needs a tokenizer. Add --tokenizer FILE.")
    takes_one = target.tokenizer or target.may_tokenize or options.certify
    if options.tokenizer and not takes_one:
        problems.append(f"--tokenizer: '{target.name}' writes texts, not token ids. Leave it out.")
    if options.separator is not None and not target.joins:
        problems.append(
            f"--separator: '{target.name}' keeps prompt and target apart, so nothing stands "
            "between them. Leave it out."
        )
    if problems:
        raise UsageError("\n".join(problems))
    return settings
