"""The frame of every export: whole or not there, the same for any number of workers, resumable."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mixture_builder.drivers.exporting import run_export
from mixture_builder.errors import BuildError
from mixture_builder.export.finish import finish_export
from mixture_builder.export.options import ExportOptions
from mixture_builder.export.plan import ExportPlan, prepare
from mixture_builder.export.shard import export_shard
from mixture_builder.export.targets import MODULES, find_target
from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.helpers import examples_of

TEXTS = ("hf", "trl", "axolotl", "llama-factory", "torchtune", "nemo", "megatron-jsonl", "openai")
"""Targets that need nothing but the mixture."""


def manifest_of(out: Path) -> dict[str, Any]:
    """The manifest of an export."""
    manifest: dict[str, Any] = json.loads((out / "export.json").read_text("utf-8"))
    return manifest


def files_of(out: Path) -> dict[str, str]:
    """Every file of a folder with its SHA-256."""
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(out.rglob("*"))
        if p.is_file()
    }


@pytest.mark.parametrize("name", list(MODULES))
def test_every_target_is_where_the_list_says(name: str):
    """The list of targets names modules that are there, each with the target of that name."""
    assert find_target(name).name == name


@pytest.mark.parametrize("target", TEXTS)
def test_the_manifest_names_every_file_and_its_bytes(tiny: Path, export: Export, target: str):
    """Beside the manifest there are exactly the files it names, with these bytes and hashes."""
    out = export(tiny, target, "--validation", "10%")
    manifest, found = manifest_of(out), files_of(out)
    del found["export.json"]

    assert {f["file"]: f["sha256"] for f in manifest["files"]} == found
    assert manifest["bytes"] == sum((out / name).stat().st_size for name in found)
    mixture = json.loads((tiny / "manifest.json").read_text("utf-8"))
    assert manifest["mixture"]["content_digest"] == mixture["content_digest"]
    assert manifest["asked"]["validation"] == "1/10"


@pytest.mark.parametrize("target", TEXTS)
def test_every_example_is_counted_once(tiny: Path, export: Export, target: str):
    """Train, validation and left out come to the mixture, in total and by task."""
    out = export(tiny, target, "--validation", "20%")
    manifest = manifest_of(out)

    assert sum(manifest["examples"].values()) == 120
    for split in ("train", "validation"):
        assert manifest["examples"][split] > 0
        for series in {f["series"] for f in manifest["files"]} - {"", "sums", "letters"}:
            rows = [
                f["rows"] for f in manifest["files"] if (f["series"], f["split"]) == (series, split)
            ]
            assert sum(rows) == manifest["examples"][split]
    by_task = manifest["tasks"]
    assert {task: sum(counts.values()) for task, counts in by_task.items()} == {
        "tiny/letters": 40,
        "tiny/sums": 80,
    }


def test_the_manifest_has_the_keys_that_its_page_lists(tiny: Path, export: Export):
    """The page on exports lists all keys of `export.json`, and no others."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "exports.md").read_text("utf-8")
    table = page.split("## The manifest of an export")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {name.strip("`") for cell in cells for name in cell.strip().split(", ")}

    assert listed == {*manifest_of(export(tiny, "nemo")), "certificate"}


@pytest.mark.slow
def test_workers_do_not_change_a_byte(tiny: Path, tmp_path: Path):
    """In this process or in two others, the files are the same."""
    for workers in (0, 2):
        out = tmp_path / str(workers)
        done = run(
            "export",
            tiny,
            "--for",
            "trl",
            "--out",
            out,
            "--validation",
            "0.1",
            "--workers",
            workers,
        )
        assert done.exit_code == 0, done.output

    assert files_of(tmp_path / "0") == files_of(tmp_path / "2")


@pytest.mark.parametrize("stored_as", ["jsonl", "tfrecord"])
def test_the_format_of_the_mixture_does_not_matter(
    tiny: Path, tmp_path: Path, export: Export, stored_as: str
):
    """A mixture in JSON Lines or TFRecord gives the files that one in Parquet gives."""
    recipe = tiny.parent / "tiny.yaml"
    folders = [
        "--cards",
        tiny.parent / "cards",
        "--templates",
        tiny.parent / "templates",
        "--store",
        tiny.parent / "store",
    ]
    other = tmp_path / "other"
    done = run("build", recipe, *folders, "--out", other, "--format", stored_as, "--workers", 0)
    assert done.exit_code == 0, done.output

    expected, found = export(tiny, "nemo", name="a"), export(other, "nemo", name="b")
    assert (found / "training.jsonl").read_bytes() == (expected / "training.jsonl").read_bytes()


def plan_of(tiny: Path, out: Path, target: str = "openai") -> ExportPlan:
    """A plan for a mixture."""
    return prepare(str(tiny), target=target, out=str(out), options=ExportOptions())


def test_until_all_shards_are_written_nothing_has_its_name(tiny: Path, tmp_path: Path):
    """A folder of an unfinished export holds its work folder only, and cannot be finished."""
    plan = plan_of(tiny, tmp_path / "out")
    results = [export_shard((plan, shard)) for shard in (0, 2)]

    assert [p.name for p in (tmp_path / "out").iterdir()] == [".work"]
    with pytest.raises(BuildError, match="1 of 3 shards were not exported"):
        finish_export(plan, results)


def test_an_interrupted_export_goes_on(tiny: Path, tmp_path: Path, export: Export):
    """Shards that are finished and unchanged are kept; the result is that of a single run."""
    out = tmp_path / "out"
    plan = plan_of(tiny, out)
    for shard in (0, 1):
        export_shard((plan, shard))
    changed = next(Path(plan.work).glob("parts/messages/train/00001-*"))
    changed.write_bytes(changed.read_bytes()[:-1])
    seen: dict[int, bool] = {}

    def tell(result: Any, already: bool) -> None:
        seen[result.shard] = already

    run_export(plan, workers=0, on_shard=tell)

    assert seen == {0: True, 1: False, 2: False}
    assert files_of(out) == files_of(export(tiny, "openai"))


def test_an_export_interrupted_while_files_get_their_names_goes_on(
    tiny: Path, tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch
):
    """Parts that were moved already are written again, and the result is whole."""
    out = tmp_path / "out"
    plan = plan_of(tiny, out, "trl")
    results = [export_shard((plan, shard)) for shard in range(3)]
    target = find_target("trl")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            "mixture_builder.export.finish.find_target",
            lambda _: type(target)(
                name="trl",
                about=target.about,
                version=target.version,
                write=target.write,
                layout=target.layout,
                finish=interrupted,
                settings=target.settings,
            ),
        )
        with pytest.raises(KeyboardInterrupt):
            finish_export(plan, results)
    assert not (out / "export.json").exists()
    run_export(plan, workers=0)

    assert files_of(out) == files_of(export(tiny, "trl"))


def test_a_finished_export_is_left_alone(tiny: Path, tmp_path: Path, export: Export):
    """The same command again writes nothing and says the same."""
    out = export(tiny, "openai")
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}

    assert export(tiny, "openai") == out
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--validation", "10%"], "found another finished export"),
        (["--separator", " "], "'openai' keeps prompt and target apart"),
        (["--set", "onyl=x"], "'openai' has no such setting. It has none."),
        (["--certify"], "the chat template of the model does"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_changed(
    tiny: Path, export: Export, options: list[str], said: str
):
    """Another export in the folder, or an option that means nothing here, is wrong usage."""
    out = export(tiny, "openai")
    before = files_of(out)

    done = run("export", tiny, "--for", "openai", "--out", out, "--workers", 0, *options)

    assert done.exit_code == 2
    assert said in done.stderr
    assert files_of(out) == before


def test_a_folder_with_something_else_is_not_touched(tiny: Path, tmp_path: Path):
    """An export never goes into a folder that holds other files, such as the mixture's own."""
    mixture = Path(shutil.copytree(tiny, tmp_path / "mixture"))
    done = run("export", mixture, "--for", "trl", "--out", mixture, "--workers", 0)

    assert done.exit_code == 2
    assert "found a folder that holds something else" in done.stderr
    assert files_of(mixture) == files_of(tiny)


def test_a_file_that_was_lost_later_is_noticed(tiny: Path, export: Export):
    """A finished export that lacks a file is not taken for whole."""
    out = export(tiny, "openai")
    (out / "training.jsonl").unlink()

    done = run("export", tiny, "--for", "openai", "--out", out, "--workers", 0)

    assert done.exit_code == 2
    assert "training.jsonl: the file is missing or of another size" in done.stderr


@pytest.mark.parametrize("damage", ["missing", "other"])
def test_a_damaged_mixture_is_not_exported(tiny: Path, tmp_path: Path, damage: str):
    """A shard that is not what the manifest lists ends the export, and names the shard."""
    mixture = Path(shutil.copytree(tiny, tmp_path / "mixture"))
    shards = sorted((mixture / "data").iterdir())
    if damage == "missing":
        shards[1].unlink()
    else:
        shutil.copy(shards[0], shards[1])

    done = run("export", mixture, "--for", "trl", "--out", tmp_path / "out", "--workers", 0)

    assert done.exit_code == 1
    assert shards[1].name in done.stderr
    assert "build the mixture again" in done.stderr.lower()
    assert not (tmp_path / "out" / "export.json").exists()


@pytest.mark.parametrize(
    ("share", "said"),
    [("1", "expected a share"), ("-1%", "expected a share"), ("a few", "expected a share")],
)
def test_a_share_is_a_part_of_the_whole(tiny: Path, tmp_path: Path, share: str, said: str):
    """The held-back share is a number from 0 to below 1, as a fraction or in per cent."""
    done = run("export", tiny, "--for", "trl", "--out", tmp_path / "x", "--validation", share)

    assert done.exit_code == 2
    assert said in done.stderr


def test_several_mistakes_are_told_at_once(tiny: Path, tmp_path: Path):
    """Wrong settings are named together, each with what is expected."""
    done = run(
        *("export", tiny, "--for", "trl", "--out", tmp_path / "x"),
        *("--set", "only=mesages", "--set", "onyl=x", "--certify"),
    )

    assert done.exit_code == 2
    assert "Did you mean 'messages'?" in done.stderr
    assert "Did you mean 'only'?" in done.stderr
    assert "--certify: needs a tokenizer" in done.stderr


def test_an_empty_split_has_no_file(tiny: Path, export: Export):
    """A share so small that no row is held back gives no file for it, and no mention of one."""
    out = export(tiny, "trl", "--validation", "1/1000000")
    manifest = manifest_of(out)

    assert manifest["examples"] == {"train": 120, "validation": 0, "left_out": 0}
    assert {f["split"] for f in manifest["files"] if f["series"]} == {"train"}
    assert "validation" not in (out / "README.md").read_text("utf-8").split("---")[1]


def test_shards_without_examples_of_a_split_leave_no_gap(tiny: Path, export: Export):
    """Files are numbered by those that there are: readers expect 0 to one below the count."""
    out = export(tiny, "trl", "--validation", "3%")
    names = sorted(p.name for p in (out / "messages").glob("validation-*"))

    assert 0 < len(names) < 3
    assert names == [f"validation-{n:05d}-of-{len(names):05d}.parquet" for n in range(len(names))]


def test_examples_keep_the_order_of_the_mixture(tiny: Path, export: Export):
    """Joined or not, files hold the examples shard by shard, in order."""
    lines = (export(tiny, "nemo") / "training.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]

    assert [(r["task_id"], r["draw"]) for r in found] == [
        (r["task_id"], r["draw"]) for r in examples_of(tiny)
    ]
    assert pa.Table.from_pylist(found).num_rows == 120
