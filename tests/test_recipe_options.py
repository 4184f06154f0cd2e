"""No option of a recipe is idle: each changes the lock, and each refuses a bad value.

`TABLE` has a line for every key of `recipe.schema.json`; a key that it lacks fails a test. A part
of the mixture may set most keys anew: those are the same keys, and stand here once.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mixture_builder.drivers.local import LocalRunner
from mixture_builder.errors import MixtureBuilderError
from mixture_builder.io.excluded_rows import ExcludedRow, write_excluded_rows
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.stored_rows import StoredRows
from mixture_builder.io.stored_task import task_folder
from mixture_builder.jobs.loading import load_mixture
from mixture_builder.jobs.locking import lock_mixture
from mixture_builder.jobs.storing import ingest_mixture
from mixture_builder.shipped import templates_folder
from tests.export.helpers import write_byte_tokenizer

pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")

BASE: dict[str, Any] = {
    "name": "demo",
    "size": {"examples": 90},
    "submixtures": {
        "one": {"rate": 1, "tasks": ["demo/ask", "demo/choose"]},
        "two": {"rate": 2, "tasks": ["demo/fragen", "demo/talk"]},
    },
}

IN_ONE = ("submixtures", "one")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A key, what to set it to, and what else must be set for it to count.

    Attributes:
      key: as the reference names it.
      value: that changes the lock.
      bad: that is refused.
      said: what the refusal says.
      beside: what else is set, by place.
      instead: whether the mapping around the key is replaced, not added to.
    """

    key: str
    value: Any
    bad: Any
    said: str
    beside: tuple[tuple[tuple[str, ...], Any], ...] = ()
    instead: bool = False


def case(key: str, value: Any, bad: Any, said: str, *beside: Any, instead: bool = False) -> Case:
    return Case(key=key, value=value, bad=bad, said=said, beside=beside, instead=instead)


RATE = "expected at least 0"
LIST = "expected a list"
WHOLE = "expected at least 1"
OTHER_LIMIT = {
    "input_tokens": (("limits",), {"target_tokens": 400, "tokenizer": "bytes.json"}),
    "target_tokens": (("limits",), {"input_tokens": 400, "tokenizer": "bytes.json"}),
}
TOKENS = (("size",), {"tokens": 9000, "tokenizer": "bytes.json"})
OVERRIDE = {"tasks": ["demo/ask"], "times": 3}
DRY = (("size",), {"examples": 400})

TABLE = [
    case("name", "other", "Other name", "a name in lower case"),
    case("description", "Some words.", "", "found an empty text"),
    case("seed", 7, -1, "expected at least 0"),
    case("size.examples", 91, 0, WHOLE),
    case("size.no_repeat", True, False, "found false; expected true", instead=True),
    case("size.passes", 0.5, 0, "expected more than 0", instead=True),
    case("size.bytes", 3000, 0, WHOLE, instead=True),
    case("size.tokens", 3000, 0, WHOLE, TOKENS),
    case("size.tokenizer", "halves.json", "none.json", "found no file 'none.json'", TOKENS),
    case("size.count", "targets", "inputs", "expected one of targets, all", TOKENS),
    case("when_dry", "renormalise", "never", "expected one of repeat, renormalise, stop", DRY),
    case("submixtures.<name>.rate", 3, -1, RATE),
    case("submixtures.<name>.cap", 20, 0, WHOLE),
    case("submixtures.<name>.max_rows", 20, 0, WHOLE),
    case("submixtures.<name>.tasks", ["demo/ask"], ["demo/asks"], "which names no card"),
    case("submixtures.<name>.exclude", ["*/ask"], ["demo/*"], "no task that is not excluded"),
    case("submixtures.<name>.task_rates", "equal", "sqrt", "expected proportional, equal"),
    case("submixtures.<name>.task_rates.temperature", 2, 0, "expected at least 0.1"),
    case("overrides", [OVERRIDE], [], "found 0 entries"),
    case("overrides[].tasks", ["demo/[ac]*"], ["demo/x"], "matches no task"),
    case("overrides[].categories", ["arith*"], ["history"], "matches no task"),
    case("overrides[].languages", ["en*"], ["fr"], "matches no task"),
    case("overrides[].rate", 4, -1, RATE),
    case("overrides[].times", 2, -1, RATE),
    *(
        case(f"variants.{v}", 5, -1, RATE, ((*IN_ONE, "rate"), 2))
        for v in ("zs_opt", "zs_noopt", "fs_opt", "fs_noopt")
    ),
    case("shots.counts", {"1": 1}, {"0": 1}, "from 1 to 99"),
    case("shots.pool", 10, 1, "expected at least 2"),
    case("shots.reserve", True, "yes", "expected true or false"),
    case("shots.templates", "mixed", "several", "expected one of same, mixed"),
    *(
        case(f"shots.forms.{variant}.{form}", 2, -1, RATE, (("shots", "forms", variant), other))
        for variant in ("fs_opt", "fs_noopt")
        for form, other in (
            ("five_shot", {"counts": 1}),
            ("x_shot", {"counts": 1}),
            ("one_fixed", {"counts": 1}),
            ("two_fixed", {"counts": 1}),
            ("counts", {"x_shot": 1}),
        )
    ),
    case("options.shuffle", False, "no", "expected true or false"),
    case("options.strict", True, 1, "expected true or false"),
    case("limits.input_chars", 300, 0, WHOLE),
    case("limits.target_chars", 300, 0, WHOLE),
    *(case(f"limits.{key}", 300, 0, WHOLE, other) for key, other in OTHER_LIMIT.items()),
    case(
        "limits.tokenizer",
        "halves.json",
        "/bytes.json",
        "expected one relative to the recipe",
        (("limits",), {"input_tokens": 300, "tokenizer": "bytes.json"}),
    ),
    case("inversion_rate", 0.3, -1, RATE),
    case("styles.exemplars.labels", ["prompt_*"], ["prompts"], "names none of the"),
    case("styles.exemplars.separators", ["blank_line"], ["blank"], "names none of the"),
    case("styles.options.lead_ins", ["none"], ["nine"], "names none of the"),
    case("styles.options.items", ["dash"], ["dish"], "names none of the"),
    case("styles.options.endings", ["*"], ["ending"], "names none of the"),
    case("styles.options.separators", ["*"], ["separate"], "names none of the"),
    case("styles.dialogs.lead_ins", ["none"], ["nine"], "names none of the"),
    case("styles.dialogs.speakers", ["one_two"], ["one"], "names none of the"),
    case("styles.dialogs.turn_ends", ["*"], ["turn"], "names none of the"),
    case("templates_from", "ours", "theirs", "expected one of ours, imported, any"),
    case("filters.licences.allow", ["CC0-*"], "CC0-1.0", LIST),
    case("filters.licences.exclude", ["*-NC-*"], [], "found 0 entries"),
    case(
        "filters.licences.unknown",
        "include",
        "keep",
        "expected one of include, exclude",
        (("filters", "licences", "exclude"), ["MIT"]),
    ),
    case("filters.languages.allow", ["e*"], ["english language"], "a BCP-47 language code"),
    case("filters.languages.exclude", ["[!e]?"], ["german"], "or a glob such as pt*"),
    case("filters.categories.allow", ["arith*"], "arithmetic", LIST),
    case("filters.categories.exclude", ["translation"], [], "found 0 entries"),
    case("filters.availability.allow", ["public"], ["free"], "expected one of public, manual"),
    case("filters.availability.exclude", ["manual"], ["free"], "expected one of public, manual"),
    case("filters.cards.include", ["demo/[at]*"], ["demo/asks"], "names no task of the recipe"),
    case("filters.cards.exclude", ["demo/ask"], ["demo/asks"], "names no task of the recipe"),
    case("filters.rows", ["out.jsonl"], ["../out.jsonl"], "expected a file in the folder"),
    case("filters.held_out", "exclude", "drop", "expected one of include, exclude"),
    case("output.shards", 3, 100_000, "expected at most 99999"),
    case("output.format", "jsonl", "csv", "expected one of parquet, tfrecord, jsonl"),
    case("cards", "fewer_cards", "", "found an empty text"),
    case("templates", "other_templates", "", "found an empty text"),
]


def options() -> Iterator[str]:
    """Every key that the schema knows and that holds no others, as the table names it."""
    package = resources.files("mixture_builder")
    text = (package / "schemas" / "recipe.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    part = schema["$defs"]["submixture"]["properties"]
    again = {key for key in part if part[key] == schema["properties"].get(key)}

    def keys(spec: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for name, inner in spec.get("properties", {}).items():
            if prefix == "submixtures.<name>." and (name in again or name == "submixtures"):
                continue
            path = f"{prefix}{name}"
            items = inner.get("items", {})
            if inner.get("additionalProperties", {}) == {"$ref": "#/$defs/submixture"}:
                yield from keys({"properties": part}, f"{path}.<name>.")
                continue
            if "properties" not in inner or path.endswith("task_rates"):
                yield path
            yield from keys(inner, f"{path}.")
            yield from keys(items, f"{path}[].")

    return keys(schema, "")


def test_the_table_has_every_option_of_the_schema_and_no_other():
    """An option that is added has a case, or this fails."""
    assert [c.key for c in TABLE if c.key.startswith("submixtures.<name>.variants")] == []
    assert sorted(c.key for c in TABLE) == sorted(options())


def put(recipe: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for step in place[:-1]:
        recipe = recipe.setdefault(step, {})
    recipe[place[-1]] = value


def recipe_with(case: Case, value: Any) -> dict[str, Any]:
    """The recipe with what stands beside the key and, unless it is `None`, the key itself."""
    recipe = copy.deepcopy(BASE)
    for place, beside in case.beside:
        put(recipe, place, copy.deepcopy(beside))
    if value is None:
        return recipe
    if case.key.startswith("overrides[]."):
        name = case.key.removeprefix("overrides[].")
        override = {"tasks": ["demo/ask"]} if name in {"rate", "times"} else {"times": 3}
        recipe["overrides"] = [{**override, name: value}]
        return recipe
    place = tuple(case.key.replace("<name>", "one").split("."))
    if case.key == "submixtures.<name>.task_rates.temperature":
        put(recipe, place[:-1], {})
    if case.instead:
        put(recipe, place[:-1], {})
    put(recipe, place, value)
    return recipe


def rows(count: int, **fields: str) -> list[dict[str, str]]:
    return [{k: text.format(n=n) for k, text in fields.items()} for n in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cards of four kinds, their templates and rows, and two tokenizers; all ingested."""
    root = tmp_path_factory.mktemp("options")
    base = {
        "title": "A task",
        "description": "For tests.",
        "citation": None,
        "held_out": [],
        "size": {"rows": None, "from": "made up"},
        "templates": "demo/questions",
        "kind": "open_qa",
        "category": "arithmetic",
        "languages": ["en"],
        "licence": {"id": "CC0-1.0", "read_at": "here"},
        "availability": {"state": "public", "note": ""},
        "fields": {"question": "question", "answer": "answer"},
    }
    ask = rows(40, question="What is {n} and 1?", answer="It is the number after {n}.")
    choose = rows(60, text="Text number {n}.", label="0")
    turns = rows(30, first="Hello {n}.", second="Good day {n}.")
    cards: dict[str, tuple[list[dict[str, str]], dict[str, Any]]] = {
        "ask": (ask, {}),
        "choose": (
            choose,
            {
                "kind": "classification",
                "category": "topic classification",
                "licence": {"id": "MIT", "read_at": "here"},
                "availability": {"state": "manual", "note": "Ask for it."},
                "templates": "demo/choices",
                "fields": {"text": "text", "options": "['yes', 'no']", "answer_index": "label"},
            },
        ),
        "fragen": (
            rows(80, question="Was ist {n} und 1?", answer="Die Zahl nach {n}."),
            {
                "category": "translation",
                "languages": ["de"],
                "licence": {"id": "CC-BY-NC-4.0", "read_at": "here"},
            },
        ),
        "talk": (
            turns,
            {
                "kind": "dialog",
                "category": "dialog",
                "licence": {"id": "unknown", "read_at": "nowhere"},
                "held_out": ["it overlaps"],
                "templates": "demo/talks",
                "fields": {"turns": "[first, second]", "answer": "second"},
            },
        ),
    }
    for name, (records, changes) in cards.items():
        source = {"files": [f"{name}.jsonl"], "format": "jsonl", "split": "train", "revision": "1"}
        card = {"id": f"demo/{name}", **base, **changes, "source": source, "sample": records[:2]}
        write(root / "cards" / "demo" / f"{name}.yaml", card)
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (root / "cards" / "demo" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    questions = [
        {"id": "plain", "input": "{{ question }}", "target": "{{ answer }}"},
        {
            "id": "back",
            "direction": "inverted",
            "input": "{{ answer }} Ask!",
            "target": "{{ question }}",
        },
    ]
    shown = "{{ text }}{% if options_text %}\n{{ options_text }}{% endif %}"
    choices = [
        {"id": "plain", "input": shown, "target": "{{ answer }}"},
        {"id": "own", "input": "{{ text }} {{ options | join(', ') }}?", "target": "{{ answer }}"},
    ]
    talks = [{"id": "plain", "input": "{{ dialog_text }}", "target": "{{ answer }}"}]
    for folder in ("templates", "other_templates"):
        write_templates(root / folder, "questions", questions[: 2 if folder == "templates" else 1])
        write_templates(root / folder, "choices", choices, origin="imported")
        write_templates(root / folder, "talks", talks)
    shutil.copytree(root / "cards", root / "fewer_cards")
    card_file = root / "fewer_cards" / "demo" / "ask.yaml"
    card_file.write_text(card_file.read_text().replace("kind: open_qa", "kind: translation"))
    write_byte_tokenizer(root / "bytes.json")
    halves = json.loads((root / "bytes.json").read_text(encoding="utf-8"))
    halves["pre_tokenizer"] = None
    halves["model"] = {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}
    halves["added_tokens"], halves["post_processor"], halves["decoder"] = [], None, None
    (root / "halves.json").write_text(json.dumps(halves), encoding="utf-8")
    stored = locked(root, BASE)["tasks"]["demo/ask"]
    held = StoredRows(
        task_folder(root / "store", "demo/ask", stored["stored"]), expected_rows=stored["rows"]
    )
    row = int(held.ids(np.asarray([0]))[0])
    listed = [ExcludedRow(task="demo/ask", row=row, reason="seen")]
    write_excluded_rows(str(root / "out.jsonl"), listed)
    return root


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def write_templates(folder: Path, name: str, templates: list[Any], **keys: str) -> None:
    if not (folder / "styles").exists():
        shutil.copytree(templates_folder() / "styles", folder / "styles")
    write(folder / "demo" / f"{name}.yaml", {"about": "For tests.", **keys, "templates": templates})


def locked(folder: Path, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of the recipe's lock; of what the recipe says of itself name and description."""
    path = folder / "recipe.yaml"
    write(path, {"cards": "cards", "templates": "templates", **recipe})
    mixture = load_mixture(path, shown_as="recipe.yaml")
    stored, broken = ingest_mixture(
        mixture, store=folder / "store", mirror=Mirror.empty(), runner=LocalRunner(workers=0)
    )
    assert not broken
    lock = lock_mixture(mixture, stored=stored, broken={}, store=folder / "store")
    plain = lock.to_json()
    plain["recipe"] = {k: plain["recipe"].get(k) for k in ("name", "description")}
    return plain


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.key)
def test_an_option_changes_the_lock(folder, case):
    """Two recipes that differ in this option alone do not lock alike."""
    assert locked(folder, recipe_with(case, case.value)) != locked(folder, recipe_with(case, None))


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.key)
def test_an_option_refuses_a_bad_value(folder, case):
    """The error names the recipe and the key, and says what was expected."""
    with pytest.raises(MixtureBuilderError) as caught:
        locked(folder, recipe_with(case, case.bad))
    said = str(caught.value)
    # What is looked for among the cards is named by the mapping that it stands in.
    whole = next((k for k in ("overrides", "filters.cards") if case.key.startswith(k)), "")
    key = whole or case.key.split(".")[-1]

    assert case.said in said
    assert "recipe.yaml" in said
    assert key in said
