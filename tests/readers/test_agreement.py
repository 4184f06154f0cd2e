"""Every consumer reads what the mixture holds: as many examples, with the same content.

For each target the real reader reads both splits of an export of the quickstart mixture. What it
gives as prompt and target, or as tokens without and with a loss, must have the digest that the
mixture's own prompts and targets have. With MIXTURE_BUILDER_PROOFS each proof is noted in that
file, from which the docs make a table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixture_builder.export.formats.nemo import prompt_template
from mixture_builder.export.splits import HeldBack, split_examples
from mixture_builder.export.targets import find_target
from mixture_builder.io.digest import content_digest
from tests.cli.conftest import store
from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import END, FIRST_BYTE
from tests.readers.conftest import Environment, Environments

__all__ = ["store"]

pytestmark = [pytest.mark.readers, pytest.mark.slow]

SPLITS = ("train", "validation")
PAIR = pa.schema([("inputs", pa.string()), ("targets", pa.string())])

Pairs = list[tuple[str, str]]
BySplit = dict[str, Pairs]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a case finds what it needs.

    Attributes:
      out: the export.
      tokenizer: of bytes.
      cache: a folder of its own.
    """

    out: Path
    tokenizer: Path
    cache: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One consumer and one form of an export.

    Attributes:
      target: as in `--for`.
      form: what is read of it.
      reader: package that reads.
      environment: in which it is installed.
      through: what of it reads, for the table.
      load: gives the pairs by split.
      options: of the export.
    """

    target: str
    form: str
    reader: str
    environment: str
    through: str
    load: Callable[[Environment, Place], BySplit]
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.target}-{self.form}".replace(" ", "_")


# --- How each consumer's output becomes pairs --------------------------------------------


def by_split(rows: Iterable[Mapping[str, Any]], pair: Callable[[Any], tuple[str, str]]) -> BySplit:
    """Rows that name their split."""
    found: BySplit = {split: [] for split in SPLITS}
    for row in rows:
        split = {"dataset": "train", "dataset_val": "validation"}.get(row["split"], row["split"])
        found[split].append(pair(row))
    return found


def columns(inputs: str, targets: str) -> Callable[[Any], tuple[str, str]]:
    """Two columns as they are."""
    return lambda row: (row[inputs], row[targets])


def framed(
    *, before: str = "", after: str = "", space: str = "", end: str = "</s>"
) -> Callable[[Any], tuple[str, str]]:
    """What a trainer masks and learns, without the marks of its template."""

    def pair(row: Any) -> tuple[str, str]:
        masked, learnt = row["masked"], row["learnt"]
        assert (masked[: len(before)], masked[len(masked) - len(after) :]) == (before, after)
        assert (learnt[: len(space)], learnt[len(learnt) - len(end) :]) == (space, end)
        return (
            masked[len(before) : len(masked) - len(after)],
            learnt[len(space) : len(learnt) - len(end)],
        )

    return pair


def turns(row: Any) -> tuple[str, str]:
    """Two messages."""
    user, assistant = row["messages"]
    assert (user["role"], assistant["role"]) == ("user", "assistant")
    return user["content"], assistant["content"]


def text_of(tokens: list[int]) -> str:
    """The text of ids of bytes that end with the end token."""
    assert tokens[-1] == END, tokens[-5:]
    return bytes(token - FIRST_BYTE for token in tokens[:-1]).decode()


def datasets(
    config: str, pair: Callable[[Any], tuple[str, str]]
) -> Callable[[Environment, Place], BySplit]:
    """All splits with `load_dataset`."""
    return lambda python, at: by_split(
        python.run("with_datasets.py", at.out, config, at.cache), pair
    )


def each_split(
    arguments: Callable[[Place, str], list[object]], pair: Callable[[Any], tuple[str, str]]
) -> Callable[[Environment, Place], BySplit]:
    """One call a split."""
    return lambda python, at: {
        split: [pair(row) for row in python.run(*arguments(at, split))] for split in SPLITS
    }


def seqio_pair(row: Any) -> tuple[str, str]:
    """Ids of seqio's own vocabulary of bytes: 3 above the byte, 1 ends a text."""

    def text(ids: list[int]) -> str:
        assert ids[-1] == 1, ids[-5:]
        return bytes(number - 3 for number in ids[:-1]).decode()

    return text(row["inputs"]), text(row["targets"])


def megatron(python: Environment, at: Place) -> BySplit:
    """Two datasets whose documents correspond."""
    found = {}
    for split in SPLITS:
        texts = [
            [
                text_of(row["tokens"])
                for row in python.run("with_megatron.py", at.out / f"{split}_{name}_document")
            ]
            for name in ("inputs", "targets")
        ]
        found[split] = list(zip(*texts, strict=True))
    return found


def packed(python: Environment, at: Place) -> BySplit:
    """Each segment of each sequence, divided by the loss mask."""
    found: BySplit = {split: [] for split in SPLITS}
    for row in python.run("with_datasets.py", at.out, "sequences", at.cache):
        for number in range(1, max(row["segment_ids"]) + 1):
            mine = [
                (token, learnt)
                for token, segment, learnt in zip(
                    row["tokens"], row["segment_ids"], row["loss_mask"], strict=True
                )
                if segment == number
            ]
            masked, learnt = ([t for t, flag in mine if flag == value] for value in (0, 1))
            found[row["split"]].append((text_of(masked), text_of(learnt)))
    return found


def trl(config: str, **marks: str) -> Callable[[Environment, Place], BySplit]:
    """What `SFTTrainer` masks and learns."""
    return lambda python, at: by_split(
        python.run("with_trl.py", at.out, config, at.tokenizer, at.cache), framed(**marks)
    )


def axolotl(config: str, **marks: str) -> Callable[[Environment, Place], BySplit]:
    """What Axolotl makes of its YAML."""
    return lambda python, at: by_split(
        python.run("with_axolotl.py", f"{config}.yaml", at.tokenizer, at.cache, folder=at.out),
        framed(**marks),
    )


def llama_factory(shape: str) -> Callable[[Environment, Place], BySplit]:
    """What LLaMA-Factory makes of a name in `dataset_info.json`, with its default template."""
    marks = {"before": "Human: ", "after": "</s>\nAssistant:", "end": "</s>\n"}
    return lambda python, at: by_split(
        python.run("with_llama_factory.py", at.out, f"agreed_{shape}", at.tokenizer, at.cache),
        framed(**marks),
    )


def torchtune(name: str, *, space: str) -> Callable[[Environment, Place], BySplit]:
    """What the datasets of the YAML mask and learn."""
    return lambda python, at: by_split(
        python.run("with_torchtune.py", f"{name}.yaml", folder=at.out),
        framed(space=space, end=""),
    )


def nemo(python: Environment, at: Place) -> BySplit:
    """What NeMo's dataset masks and learns with the template of the README."""
    pair = framed(space=" ", end="")
    files = {"train": "training.jsonl", "validation": "validation.jsonl"}
    return {
        split: [
            pair(row) for row in python.run("with_nemo.py", at.out / file, prompt_template(" "))
        ]
        for split, file in files.items()
    }


def jsonl(training: str, pair: Callable[[Any], tuple[str, str]]) -> Any:
    """JSON Lines whose training file is named in its own way."""
    names = {"train": training, "validation": training.replace("train.", "validation.")}
    names["validation"] = names["validation"].replace("training.", "validation.")
    return datasets(f"json={json.dumps(names)}", pair)


def cut_text(row: Any) -> tuple[str, str]:
    """One text, divided where `target_start` says."""
    start = row["target_start"]
    assert row["text"][start] == " "
    return row["text"][:start], row["text"][start + 1 :]


TOKENS = ("--tokenizer", "TOKENIZER")

CASES = [
    Case(
        target="hf",
        form="default",
        reader="datasets",
        environment="trainers",
        through="`load_dataset`",
        load=datasets("default", columns("inputs", "targets")),
    ),
    Case(
        target="axolotl",
        form="messages",
        reader="axolotl",
        environment="axolotl",
        through="its loader of data with its tokenising, from `messages.yaml`",
        load=axolotl("messages", before="<s>"),
    ),
    Case(
        target="axolotl",
        form="prompt_completion",
        reader="axolotl",
        environment="axolotl",
        through="its loader of data with its tokenising, from `prompt_completion.yaml`",
        load=axolotl("prompt_completion", space=" "),
    ),
    *(
        Case(
            target="llama-factory",
            form=shape,
            reader="llamafactory",
            environment="llama-factory",
            through="its loader of data with its tokenising, template `default`",
            load=llama_factory(shape),
        )
        for shape in ("alpaca", "sharegpt")
    ),
    Case(
        target="torchtune",
        form="instruct",
        reader="torchtune",
        environment="trainers",
        through="`instruct_dataset`, from `instruct.yaml`",
        load=torchtune("instruct", space=" "),
    ),
    Case(
        target="torchtune",
        form="chat",
        reader="torchtune",
        environment="trainers",
        through="`chat_dataset`, from `chat.yaml`",
        load=torchtune("chat", space=""),
    ),
    Case(
        target="nemo",
        form="training.jsonl",
        reader="megatron-bridge",
        environment="trainers",
        through="`create_sft_dataset`, which NeMo has handed on to Megatron Bridge",
        load=nemo,
    ),
    Case(
        target="megatron-jsonl",
        form="text",
        reader="datasets",
        environment="trainers",
        through="`load_dataset`; Megatron-LM's tools by their contract",
        load=jsonl("text/train.jsonl", cut_text),
    ),
    Case(
        target="megatron-jsonl",
        form="messages",
        reader="datasets",
        environment="trainers",
        through="`load_dataset`; Megatron-LM's `--sft` by its contract",
        load=jsonl("messages/train.jsonl", turns),
    ),
    Case(
        target="openai",
        form="messages",
        reader="datasets",
        environment="trainers",
        through="`load_dataset`; the services by their contract",
        load=jsonl("training.jsonl", turns),
    ),
    Case(
        target="trl",
        form="prompt_completion",
        reader="trl",
        environment="trainers",
        through="`SFTTrainer`, two steps",
        load=trl("prompt_completion", space=" "),
    ),
    Case(
        target="trl",
        form="messages",
        reader="trl",
        environment="trainers",
        through="`SFTTrainer`, two steps, `assistant_only_loss`",
        load=trl("messages", before="<s>"),
    ),
    *(
        Case(
            target="seqio",
            form=f"texts, {packing}ed" if packing == "pack" else "texts",
            reader="seqio",
            environment="readers",
            through="a mixture of the cached task, `EncDecFeatureConverter`"
            + (" that packs" if packing == "pack" else ""),
            load=each_split(
                lambda at, split, packing=packing: [  # type: ignore[misc]
                    "with_seqio_mixture.py",
                    at.out,
                    "agreed",
                    split,
                    packing,
                ],
                seqio_pair,
            ),
        )
        for packing in ("apart", "pack")
    ),
    *(
        Case(
            target="tfds",
            form=container,
            reader="tensorflow-datasets",
            environment="readers",
            through=f"`builder_from_directory`, `{method}`",
            load=each_split(
                lambda at, split, method=method: [  # type: ignore[misc]
                    "with_tfds.py",
                    at.out / "agreed" / "1.0.0",
                    method,
                    split,
                ],
                columns("inputs", "targets"),
            ),
            options=("--set", f"container={container}"),
        )
        for container, method in (("tfrecord", "as_dataset"), ("array_record", "as_data_source"))
    ),
    Case(
        target="grain",
        form="array_record",
        reader="grain",
        environment="readers",
        through="`ArrayRecordDataSource`, shuffled",
        load=each_split(
            lambda at, split: ["with_grain.py", at.out / f"{split}.array_record-*"],
            columns("inputs", "targets"),
        ),
    ),
    Case(
        target="mosaicml",
        form="MDS",
        reader="mosaicml-streaming",
        environment="readers",
        through="`StreamingDataset`, hashes checked",
        load=each_split(
            lambda at, split: ["with_streaming.py", at.out, split], columns("prompt", "response")
        ),
    ),
    Case(
        target="megatron",
        form="pairs",
        reader="megatron-core",
        environment="readers",
        through="`IndexedDataset`",
        load=megatron,
        options=(*TOKENS, "--set", "documents=pairs"),
    ),
    Case(
        target="packed",
        form="Parquet",
        reader="datasets",
        environment="trainers",
        through="`load_dataset`, divided by segment ids and loss mask",
        load=packed,
        options=(*TOKENS, "--set", "length=8192"),
    ),
]


# --- The mixture, and what it holds ------------------------------------------------------


@pytest.fixture(scope="module")
def agreed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart mixture with 600 examples: few-shot ones, options, several languages."""
    folder = tmp_path_factory.mktemp("agreed")
    recipe = Path(__file__).parents[2] / "pipelines" / "recipes" / "quickstart.yaml"
    text = recipe.read_text(encoding="utf-8").replace("name: quickstart", "name: agreed")
    (folder / "agreed.yaml").write_text(text.replace("examples: 6000", "examples: 600"), "utf-8")
    out = folder / "agreed"
    done = run("build", folder / "agreed.yaml", "--store", store, "--out", out, "--workers", 0)
    assert done.exit_code == 0, done.output
    return out


def held_apart(mixture: Path) -> BySplit:
    """Prompts and targets of the mixture, divided as `--validation 10%` divides them."""
    table = pa.concat_tables(pq.read_table(f) for f in sorted((mixture / "data").glob("*.parquet")))
    divided = split_examples(table, HeldBack(share=Fraction(1, 10), seed=0))
    return {
        split: [(row["inputs"], row["targets"]) for row in divided.tables[split].to_pylist()]
        for split in SPLITS
    }


def digest(pairs: Pairs) -> str:
    """Of all pairs, in whatever order a reader gives them."""
    table = pa.Table.from_pylist(
        [{"inputs": a, "targets": b} for a, b in sorted(pairs)], schema=PAIR
    )
    return content_digest(table, PAIR)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_count_and_content_are_those_of_the_mixture(
    agreed: Path,
    export: Export,
    environments: Environments,
    tokenizer: Path,
    tmp_path: Path,
    case: Case,
):
    """The reader gives as many examples as the mixture has, with the same content, by split."""
    python = environments(case.environment)
    options = [tokenizer if option == "TOKENIZER" else option for option in case.options]
    out = export(agreed, case.target, "--validation", "10%", *options)
    at = Place(out=out, tokenizer=tokenizer, cache=tmp_path / "cache")
    found, expected = case.load(python, at), held_apart(agreed)

    assert {split: len(pairs) for split, pairs in found.items()} == {
        split: len(pairs) for split, pairs in expected.items()
    }
    assert {split: digest(pairs) for split, pairs in found.items()} == {
        split: digest(pairs) for split, pairs in expected.items()
    }
    assert min(len(pairs) for pairs in found.values()) > 10
    note(case, python, found)


def note(case: Case, python: Environment, found: BySplit) -> None:
    """Adds the proof to the file of proofs, if one is asked for."""
    path = os.environ.get("MIXTURE_BUILDER_PROOFS")
    if not path:
        return
    file = Path(__file__).parents[2] / path
    known = json.loads(file.read_text("utf-8")) if file.exists() else []
    order = [(c.target, c.form) for c in CASES]
    (version,) = python.run("version_of.py", case.reader)
    proof = {
        "target": case.target,
        "target_version": find_target(case.target).version,
        "form": case.form,
        "reader": case.reader,
        "version": version["version"],
        "environment": case.environment,
        "through": case.through,
        "examples": {split: len(pairs) for split, pairs in found.items()},
        "digest": {split: digest(pairs) for split, pairs in found.items()},
    }
    kept = {(p["target"], p["form"]): p for p in known} | {(case.target, case.form): proof}
    proofs = [kept[key] for key in order if key in kept]
    file.write_text(json.dumps(proofs, indent=1) + "\n", encoding="utf-8")
