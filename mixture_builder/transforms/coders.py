"""How elements travel between workers: as JSON that says which of our classes it was.

Beam would pickle what it knows no coder for. Pickles of equal values may differ, and they break
when launcher and worker run other versions of Python; this encoding does neither. It is
registered for every class of element of our transforms when they are imported.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np

from mixture_builder.audit.shard import ShardAudit
from mixture_builder.io.stored_task import StoredTask
from mixture_builder.jobs.ingest.specs import PartResult, PartSpec
from mixture_builder.manifest import ShardResult
from mixture_builder.transforms.quiet_beam import beam

_OURS = "mixture_builder."


class Outcome:
    """What comes of a task: a `StoredTask`, or the text why there is none. Only a type hint.

    Beam looks coders up by class, and has none for a choice of two.
    """


class Plain:
    """A document: mappings, lists, texts and numbers. Only a type hint, like `Outcome`."""


class ElementCoder(beam.coders.Coder):  # type: ignore[misc, unused-ignore]
    """Encodes dataclasses of this package and the plain values in them.

    Equal values give equal bytes, as long as their mappings are in the same order; the order is
    kept, because it is that of the fields of a card.
    """

    def encode(self, value: Any) -> bytes:
        """The value as ASCII JSON."""
        return json.dumps(_plain(value), separators=(",", ":")).encode("ascii")

    def decode(self, encoded: bytes) -> Any:
        """The value again, in the same classes."""
        return _value(json.loads(encoded))

    def is_deterministic(self) -> bool:
        """Always true."""
        return True

    def to_type_hint(self) -> Any:
        """Any: the encoding says which class it is."""
        return Any

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        return [
            f"{kind.__module__}:{kind.__qualname__}",
            {field.name: _plain(getattr(value, field.name)) for field in fields(value)},
        ]
    if isinstance(value, tuple):
        return ["tuple", [_plain(each) for each in value]]
    if isinstance(value, list):
        return ["list", [_plain(each) for each in value]]
    if isinstance(value, frozenset):
        return ["frozenset", [_plain(each) for each in sorted(value)]]
    if isinstance(value, set):
        return ["set", [_plain(each) for each in sorted(value)]]
    if isinstance(value, np.ndarray):
        # Not the type's short name: of records it does not name the fields.
        described = _plain(np.lib.format.dtype_to_descr(value.dtype))
        return ["array", [described, list(value.shape), _text(value.tobytes())]]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        kind_of_mapping = "counter" if isinstance(value, Counter) else "mapping"
        return [kind_of_mapping, [[_plain(key), _plain(value[key])] for key in value]]
    if isinstance(value, bytes):
        return ["bytes", _text(value)]
    raise TypeError(f"found a {type(value).__name__} in an element; expected plain data")


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _value(plain: Any) -> Any:
    if not isinstance(plain, list):
        return plain
    kind, inner = plain
    if kind == "tuple":
        return tuple(_value(each) for each in inner)
    if kind == "list":
        return [_value(each) for each in inner]
    if kind == "frozenset":
        return frozenset(_value(each) for each in inner)
    if kind == "set":
        return {_value(each) for each in inner}
    if kind in {"mapping", "counter"}:
        found_mapping = {_value(key): _value(each) for key, each in inner}
        return Counter(found_mapping) if kind == "counter" else found_mapping
    if kind == "array":
        kind_of_items = np.lib.format.descr_to_dtype(_value(inner[0]))
        held = np.frombuffer(base64.b64decode(inner[2]), dtype=kind_of_items)
        return held.reshape(inner[1]).copy()
    if kind == "bytes":
        return base64.b64decode(inner)
    module, _, name = kind.partition(":")
    if not module.startswith(_OURS):
        raise ValueError(f"found an element of the class {kind}; expected one of {_OURS}*")
    found: Any = getattr(import_module(module), name)
    if not is_dataclass(found):
        raise ValueError(f"found an element of the class {kind}, which is no dataclass")
    make: Any = found
    return make(**{name: _value(each) for name, each in inner.items()})


for _kind in (PartSpec, PartResult, StoredTask, ShardResult, ShardAudit, Outcome, Plain):
    # Beam does not say that it gives its registry out.
    beam.coders.registry.register_coder(  # type: ignore[attr-defined, unused-ignore]
        _kind, ElementCoder
    )
