"""`verify` on an export: whatever is changed in its folder is found and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.helpers import run
from tests.export.conftest import Export
from tests.export.test_run import TEXTS, manifest_of


@pytest.mark.parametrize("target", TEXTS)
def test_an_untouched_export_is_sound(tiny: Path, export: Export, target: str):
    """What export has written passes, with its splits counted."""
    out = export(tiny, target, "--validation", "20%")
    done = run("verify", out)

    assert done.exit_code == 0, done.output
    counts = manifest_of(out)["examples"]
    assert done.stdout.startswith(
        f"tiny, exported for {target}: sound; {counts['train']} train, {counts['validation']} "
        f"validation, {counts['left_out']} left out in "
    )


@pytest.mark.parametrize("place", [0, -1])
def test_one_flipped_bit_names_its_file(tiny: Path, export: Export, place: int):
    """A single changed bit is found, in whatever file it is, and no other file is blamed."""
    out = export(tiny, "trl")
    for entry in manifest_of(out)["files"]:
        file = out / entry["file"]
        sound = file.read_bytes()
        damaged = bytearray(sound)
        damaged[place] ^= 1
        file.write_bytes(damaged)

        found = json.loads(run("verify", out, "--json").stdout)
        assert [(f["file"], f["place"]) for f in found["findings"]] == [(str(file), "bytes")]
        assert found["sound"] is False
        file.write_bytes(sound)


def test_a_missing_file_and_one_too_many_are_both_named(tiny: Path, export: Export):
    """All that is wrong is said at once, and the exit code is 1."""
    out = export(tiny, "mosaicml")
    (out / "train" / "index.json").unlink()
    (out / "train" / "shard.00009.mds").write_bytes(b"")

    done = run("verify", out)

    assert done.exit_code == 1
    assert f"{out}/train/index.json" in done.stdout
    assert f"{out}/train/shard.00009.mds" in done.stdout
    assert "tiny, exported for mosaicml: 2 errors" in done.stdout


def test_what_a_reader_has_left_is_no_error(tiny: Path, export: Export):
    """NeMo leaves an index beside the files; it is mentioned, and the export is sound."""
    out = export(tiny, "nemo")
    (out / "training.jsonl.idx.npy").write_bytes(b"")

    done = run("verify", out)

    assert done.exit_code == 0
    assert "training.jsonl.idx.npy" in done.stdout


@pytest.mark.parametrize("key", ["bytes", "examples"])
def test_a_manifest_that_contradicts_itself_is_found(tiny: Path, export: Export, key: str):
    """Sums in the manifest must be those of its files and tasks."""
    out = export(tiny, "nemo")
    manifest = manifest_of(out)
    manifest[key] = manifest[key] + 1 if key == "bytes" else {"train": 121}
    (out / "export.json").write_text(json.dumps(manifest), encoding="utf-8")

    done = run("verify", out)

    assert done.exit_code == 1
    assert "export.json" in done.stdout


def test_an_export_has_no_shard_to_build_anew(tiny: Path, export: Export):
    """`--rebuild` is for mixtures."""
    done = run("verify", export(tiny, "nemo"), "--rebuild", 0)

    assert done.exit_code == 2
    assert "is an export, which has no shards to build" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("text", ["", "[]", '{"export_version": 99}'])
def test_an_unreadable_manifest_is_said(tiny: Path, export: Export, text: str):
    """A manifest that is cut, of another kind or of another version ends with what was found."""
    out = export(tiny, "nemo")
    (out / "export.json").write_text(text, encoding="utf-8")

    done = run("verify", out)

    assert done.exit_code == 1
    assert "export.json" in done.stderr
    assert "Traceback" not in done.output
