"""Sizes in bytes and tokens, and limits in tokens, over the quickstart's rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixture_builder.errors import RecipeError, StoreError, UsageError
from mixture_builder.jobs.build import shard_table
from mixture_builder.jobs.loading import LoadedRecipe, load_mixture
from mixture_builder.jobs.locking import lock_mixture, measure_mixture
from mixture_builder.jobs.sizing import keep_tokenizers
from mixture_builder.lock import Lock, lock_from_json
from tests.export.helpers import write_byte_tokenizer

pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")

Records = list[dict[str, Any]]
Load = Callable[..., LoadedRecipe]


@pytest.fixture
def load(quickstart, tmp_path) -> Load:
    """Loads the quickstart with other keys; a tokenizer of one token a byte lies beside it."""
    write_byte_tokenizer(tmp_path / "bytes.json")
    write_character_tokenizer(tmp_path / "characters.json")

    def loaded(**keys: Any) -> LoadedRecipe:
        raw = {**quickstart.mixture.recipe.raw, "size": {"examples": 1200}, **keys}
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
        mixture = load_mixture(path, shown_as="recipe.yaml")
        keep_tokenizers(mixture, store=quickstart.store)
        return mixture

    return loaded


def write_character_tokenizer(path: Path) -> None:
    """Writes a `tokenizer.json` that gives each character a token: always the same one."""
    split = {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated"}
    content = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {**split, "invert": False},
        "model": {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"},
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def locked(quickstart: Any, mixture: LoadedRecipe) -> Lock:
    return lock_mixture(
        mixture, stored=quickstart.stored, broken={}, shards=1, store=quickstart.store
    )


def built(quickstart: Any, lock: Lock) -> tuple[Records, Mapping[str, Counter[str]]]:
    table, rendered = shard_table(lock, store=quickstart.store, shard=0)
    return table.to_pylist(), {part.plan.task: part.redrawn for part in rendered}


def size_of(records: Records, *keys: str) -> int:
    return sum(len(record[key].encode()) for record in records for key in keys)


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        ({"bytes": 400_000}, ("inputs", "targets")),
        ({"tokens": 400_000, "tokenizer": "bytes.json"}, ("inputs", "targets")),
        ({"tokens": 200_000, "tokenizer": "bytes.json", "count": "targets"}, ("targets",)),
    ],
)
def test_a_mixture_holds_what_its_size_asks_for_within_5_per_cent(quickstart, load, size, keys):
    """Bytes, tokens and supervised tokens become a number of examples that comes to as many."""
    lock = locked(quickstart, load(size=size))
    records, _ = built(quickstart, lock)
    asked = size.get("bytes") or size["tokens"]

    assert len(records) == lock.plan.examples
    assert abs(size_of(records, *keys) - asked) < asked / 20


def test_the_same_rows_are_measured_whenever_a_size_is_worked_out(quickstart, load):
    """Two locks of one recipe have one number of examples, and one fingerprint."""
    mixture = load(size={"bytes": 300_000})
    one, other = locked(quickstart, mixture), locked(quickstart, mixture)

    assert one.fingerprint == other.fingerprint
    assert locked(quickstart, load(size={"examples": one.plan.examples})).fingerprint == (
        one.fingerprint
    )


def test_what_is_expected_of_each_task_is_what_comes_out(quickstart, load):
    """Measured means times quotas are within a twentieth of the bytes of the whole mixture."""
    mixture = load()
    found = measure_mixture(mixture, stored=quickstart.stored, broken={}, store=quickstart.store)
    lock = locked(quickstart, mixture)
    records, _ = built(quickstart, lock)
    expected = sum((t.quota * found[t.task].mean_bytes for t in lock.plan.tasks), Fraction(0))
    realised = size_of(records, "inputs", "targets")

    assert abs(expected - realised) < realised / 20


def test_several_tokenizers_count_at_once(quickstart, load, tmp_path):
    """Each of them counts what it would alone: bytes as tokens are as many as bytes."""
    write_byte_tokenizer(tmp_path / "other.json")
    found = measure_mixture(
        load(),
        stored=quickstart.stored,
        broken={},
        store=quickstart.store,
        tokenizers={"one": tmp_path / "bytes.json", "other": tmp_path / "other.json"},
    )

    for lengths in found.values():
        assert lengths.tokens["one"] == (lengths.input_bytes, lengths.target_bytes)
        assert lengths.tokens["other"] == lengths.tokens["one"]


def test_a_size_in_bytes_needs_the_rows(quickstart, load):
    """Without a store there is nothing to measure, and the error says the way out."""
    mixture = load(size={"bytes": 300_000})
    with pytest.raises(RecipeError, match=r"size\.bytes.*Run ingest"):
        lock_mixture(mixture, stored=quickstart.stored, broken={})


@pytest.mark.parametrize("limit", [130, 700])
def test_limits_in_tokens_drop_exemplars_and_redraw_as_limits_in_characters_do(
    quickstart, load, limit
):
    """With a token a character, both limits give the same records and the same counts."""
    tokens = {"input_tokens": limit, "target_tokens": 60, "tokenizer": "characters.json"}
    characters = {"input_chars": limit, "target_chars": 60}
    made = [
        built(quickstart, locked(quickstart, load(limits=limits)))
        for limits in (tokens, characters)
    ]
    (by_tokens, redrawn_by_tokens), (by_characters, redrawn) = made

    assert all(len(r["inputs"]) <= limit for r in by_tokens)
    assert all(len(r["targets"]) <= 60 for r in by_tokens)
    assert sum(sum(c.values()) for c in redrawn_by_tokens.values()) > 0
    assert by_tokens == by_characters
    # Of a draw with both texts too long one is named: which, is not the same.
    assert {t: sum(c.values()) for t, c in redrawn_by_tokens.items()} == {
        t: sum(c.values()) for t, c in redrawn.items()
    }


def test_a_limit_in_tokens_is_named_by_the_content_of_its_tokenizer(quickstart, load, tmp_path):
    """The file's digest is in the lock: its name decides nothing, its content does."""
    limits = {"input_tokens": 300, "tokenizer": "bytes.json"}
    lock = locked(quickstart, load(limits=limits))
    (tmp_path / "copy.json").write_bytes((tmp_path / "bytes.json").read_bytes())
    renamed = locked(quickstart, load(limits={**limits, "tokenizer": "copy.json"}))
    again = lock_from_json(json.loads(json.dumps(lock.to_json())))
    content = json.loads((tmp_path / "bytes.json").read_bytes())
    (tmp_path / "bytes.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    other = locked(quickstart, load(limits=limits))

    assert renamed.fingerprint == lock.fingerprint == again.fingerprint
    assert again.plan == lock.plan
    assert other.fingerprint != lock.fingerprint


def test_a_tokenizer_that_is_none_or_gone_is_said_so(quickstart, load, tmp_path):
    """Another file is refused when it is brought into the store, and so is a lost one."""
    limits = {"input_tokens": 300, "tokenizer": "bytes.json"}
    lock = locked(quickstart, load(limits=limits))
    digest = lock.plan.tasks[0].settings.tokenizer
    kept = quickstart.store / ".tokenizers" / f"{digest}.json"
    content = kept.read_bytes()
    (tmp_path / "elsewhere").mkdir()
    kept.rename(tmp_path / "elsewhere" / "kept.json")
    from mixture_builder.jobs.task_renderers import _token_counter

    _token_counter.cache_clear()
    with pytest.raises(StoreError, match=r"missing or damaged\. Run ingest again"):
        built(quickstart, lock)
    kept.write_bytes(content)
    (tmp_path / "bytes.json").write_text("no tokenizer", encoding="utf-8")
    with pytest.raises(UsageError, match="found no tokenizer"):
        load(limits=limits)
