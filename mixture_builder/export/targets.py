"""The targets of an export: their names, and what each of them has to say and do.

A target is a module in `mixture_builder.export.formats` that holds `TARGET`, a `Target`. It
is imported when it is asked for, so that naming the targets costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from mixture_builder.errors import UsageError
from mixture_builder.findings import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from mixture_builder.export.context import ExportContext
    from mixture_builder.export.parts import Parts, Placed

_FORMATS = "mixture_builder.export.formats"

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "hf": f"{_FORMATS}.hugging_face",
        "axolotl": f"{_FORMATS}.axolotl",
        "llama-factory": f"{_FORMATS}.llama_factory",
        "torchtune": f"{_FORMATS}.torchtune",
        "nemo": f"{_FORMATS}.nemo",
        "megatron-jsonl": f"{_FORMATS}.megatron_jsonl",
        "openai": f"{_FORMATS}.openai",
        "trl": f"{_FORMATS}.trl",
        "seqio": f"{_FORMATS}.seqio",
        "tfds": f"{_FORMATS}.tfds",
        "grain": f"{_FORMATS}.grain",
        "mosaicml": f"{_FORMATS}.mosaicml",
        "megatron": f"{_FORMATS}.megatron",
        "packed": f"{_FORMATS}.packed",
    }
)
"""The module of each target; its order is the order in which targets are listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Something that a target lets its user choose, as `--set KEY=VALUE`.

    Attributes:
      default: the value when nothing is said; `None` if something must be.
      about: what it decides, one line.
      check: gives what is wrong with a value, as a sentence, or an empty text.
    """

    default: str | None
    about: str
    check: Callable[[str], str] | None = None


def choice(*values: str, default: str, about: str) -> Setting:
    """A setting that knows a few values."""

    def check(value: str) -> str:
        if value in values:
            return ""
        return f"Expected {' or '.join(values)}. {did_you_mean(value, values)}".rstrip()

    return Setting(default=default, about=about, check=check)


def number_from(smallest: int, *, others: Sequence[str] = ()) -> Callable[[str], str]:
    """A check that allows whole numbers from `smallest` on, and some words."""

    def check(value: str) -> str:
        if value in others or (value.isascii() and value.isdigit() and int(value) >= smallest):
            return ""
        words = "".join(f", or {word}" for word in others)
        return f"Expected a whole number, {smallest} or more{words}."

    return check


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is written for one consumer.

    Attributes:
      name: as in `--for`.
      about: who reads it and in which form, one line.
      version: raised whenever the same mixture gives other bytes than before.
      write: turns the examples of one split of one shard into parts. It is called in worker
        processes, for every shard and split, also for splits without examples.
      layout: for a series and a split, the name of the final file below the export's folder.
        With `{index:05d}` and `{count:05d}` in it each part is a file, numbered from 0 in the
        order of the shards; without, the parts are joined to one file in that order; empty
        for parts that only `finish` reads and that are then removed.
      finish: writes what goes beside the files, when these have their names.
      joins: whether prompt and target become one text somewhere, so that a separator counts.
      tokenizer: whether a tokenizer must be named.
      may_tokenize: whether one may be named.
      check: looks at what the user chose before anything is written, and raises `UsageError`.
      packages: modules that must be importable beyond our own dependencies, each with the
        extra of this package that brings it.
      settings: what the user may choose.
    """

    name: str
    about: str
    version: int
    write: Callable[[pa.Table, str, ExportContext, Parts], None]
    layout: Callable[[str, str, ExportContext], str]
    finish: Callable[[ExportContext, Placed], None]
    joins: bool = False
    tokenizer: bool = False
    may_tokenize: bool = False
    check: Callable[[ExportContext], None] | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


def find_target(name: str) -> Target:
    """The target of a name.

    Raises:
      UsageError: if there is none.
    """
    if name not in MODULES:
        hint = did_you_mean(name, MODULES) or f"Expected one of {', '.join(MODULES)}."
        raise UsageError(f"--for {name}: found no such target. {hint}")
    target: Target = import_module(MODULES[name]).TARGET
    return target


def check_packages(target: Target) -> None:
    """Sees to it that everything is installed that the target needs.

    Raises:
      UsageError: naming what is missing and how to get it.
    """
    require(target.packages, wanted_by=f"--for {target.name}")


def require(packages: Mapping[str, str], *, wanted_by: str) -> None:
    """Sees to it that modules can be imported.

    Args:
      packages: modules, each with the extra of this package that brings it.
      wanted_by: what the user asked for, for the message.

    Raises:
      UsageError: naming what is missing and how to get it.
    """
    missing = {module: extra for module, extra in packages.items() if find_spec(module) is None}
    if missing:
        extras = ",".join(sorted(set(missing.values())))
        raise UsageError(
            f"{wanted_by}: the Python package {' and '.join(missing)} is not installed; it is "
            f"needed for this only. Install it with: pip install 'mixture-builder[{extras}]'"
        )
