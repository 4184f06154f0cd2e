"""`verify`: whatever is changed in a finished mixture is found and named."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.helpers import run

SHARD = "data/train-00002-of-00004.parquet"


def change_manifest(out: Path, **changes: object) -> None:
    """Sets keys of a manifest."""
    path = out / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, **changes}), encoding="utf-8")


def test_an_untouched_mixture_is_sound(mixture: Path) -> None:
    """What build has written passes, with nothing to say."""
    done = run("verify", mixture)

    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("quickstart: sound; 6,000 examples in 4 shards")


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_flipped_bit_is_found_in_its_file(damaged: Path, where: str) -> None:
    """A single changed bit names the file it stands in, wherever in the file it is."""
    data = bytearray((damaged / SHARD).read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
    (damaged / SHARD).write_bytes(data)

    done = run("verify", damaged)

    assert done.exit_code == 1
    assert SHARD in done.stdout
    assert "train-00001" not in done.stdout


def test_a_missing_shard_is_found(damaged: Path) -> None:
    """Every file of the manifest must be there."""
    (damaged / SHARD).unlink()

    done = run("verify", damaged)

    assert done.exit_code == 1
    assert f"{damaged}/{SHARD}: 1 error" in done.stdout


def test_a_file_too_many_is_found(damaged: Path) -> None:
    """A further file in data/ would be read by whoever reads data/*."""
    (damaged / "data" / "train-00004-of-00004.parquet").write_bytes(b"")

    done = run("verify", damaged)

    assert done.exit_code == 1
    assert "train-00004-of-00004.parquet: 1 error" in done.stdout


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"realised": 6001}, "realised"),
        ({"bytes": 1}, "bytes"),
        ({"content_digest": "00"}, "content_digest"),
        ({"asked": 5999}, "asked"),
        ({"fingerprint": "00"}, "recipe.lock.yaml"),
    ],
)
def test_a_changed_manifest_is_found(damaged: Path, changes: dict[str, object], place: str) -> None:
    """The manifest must agree with its shards, its tasks and the lock."""
    change_manifest(damaged, **changes)

    done = run("verify", damaged, "--json")

    assert done.exit_code == 1
    findings = json.loads(done.stdout)["findings"]
    assert any(place in (finding["place"] or finding["file"]) for finding in findings)


def test_counts_that_the_shards_do_not_have_are_found(damaged: Path) -> None:
    """Examples by task and variant are counted in the shards, not believed."""
    manifest = json.loads((damaged / "manifest.json").read_text(encoding="utf-8"))
    variants = manifest["tasks"]["quickstart/reviews"]["variants"]
    variants["zs_opt"]["realised"] += 1
    variants["zs_noopt"]["realised"] -= 1
    change_manifest(damaged, tasks=manifest["tasks"])

    done = run("verify", damaged)

    assert done.exit_code == 1
    assert "tasks.quickstart/reviews.variants.zs_opt" in done.stdout


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "found no such file"),
        (lambda path: path.write_text("{", encoding="utf-8"), "no valid YAML"),
        (lambda path: path.write_text("a: 1", encoding="utf-8"), "'lock_version' is missing"),
        (lambda path: path.write_text("- 1", encoding="utf-8"), "no lock that this version"),
    ],
)
def test_a_lock_that_cannot_be_read_is_a_finding(damaged: Path, damage, said: str) -> None:
    """A damaged lock is named with the way out, never a stack trace."""
    damage(damaged / "recipe.lock.yaml")

    done = run("verify", damaged)

    assert done.exit_code == 1
    assert said in done.stdout
    assert "Build the mixture again" in done.stdout or "build it again" in done.stdout


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "found no such file"),
        (lambda path: path.write_text("{", encoding="utf-8"), "cannot be read"),
        (lambda path: path.write_text("{}", encoding="utf-8"), "found manifest_version None"),
    ],
)
def test_a_folder_without_a_sound_manifest_is_no_mixture(damaged: Path, damage, said: str) -> None:
    """Without a manifest nothing is known to be complete."""
    damage(damaged / "manifest.json")

    done = run("verify", damaged)

    assert done.exit_code == 1
    assert said in done.stderr


def test_a_shard_built_anew_has_the_same_bytes(mixture: Path, store: Path) -> None:
    """Lock, store and a number give a shard again, byte for byte."""
    done = run("verify", mixture, "--rebuild", 3, "--store", store, "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rebuilt"] == {"shard": 3, "same": True, "compared": "bytes"}


def test_with_another_pyarrow_contents_are_compared(damaged: Path, store: Path) -> None:
    """Bytes of Parquet belong to a version of pyarrow; records do not."""
    change_manifest(damaged, versions={"pyarrow": "1.0.0"})

    done = run("verify", damaged, "--rebuild", 0, "--store", store)

    assert done.exit_code == 0, done.output
    assert "written with pyarrow 1.0.0" in done.stdout
    assert "built anew, the same content" in done.stdout


def test_a_lock_that_gives_other_records_is_found(damaged: Path, store: Path) -> None:
    """A changed word in a template of the lock changes the shards that use it."""
    lock = damaged / "recipe.lock.yaml"
    text = lock.read_text(encoding="utf-8")
    lock.write_text(text.replace("Final", "Last").replace("answer is", "result is"), "utf-8")

    done = run("verify", damaged, "--rebuild", 0, "--store", store)

    assert done.exit_code == 1
    assert "built anew it is" in done.stdout
    assert "found a lock with fingerprint" in done.stdout


def test_rebuilding_needs_the_rows_it_was_built_from(mixture: Path, tmp_path: Path) -> None:
    """Without the store there is no rebuilding, and the message says how to get it."""
    missing = run("verify", mixture, "--rebuild", 0, "--store", tmp_path)
    beyond = run("verify", mixture, "--rebuild", 4, "--store", tmp_path)

    assert (missing.exit_code, beyond.exit_code) == (1, 2)
    assert "--store" in missing.stderr
    assert "expected a shard from 0 to 3" in beyond.stderr


def test_the_certificate_is_worked_out_again(damaged: Path) -> None:
    """Quotas are exact, prefixes are within their bound, and another number is found out."""
    manifest = json.loads((damaged / "manifest.json").read_text(encoding="utf-8"))
    certificate = manifest["certificate"]
    assert certificate["quotas"]["exact"] == certificate["quotas"]["tasks"] == 12
    assert certificate["quotas"]["cells_exact"] == certificate["quotas"]["cells"]
    worst = certificate["prefixes"]["tasks"]
    assert 0 < Fraction(worst["largest"]) < worst["below"] == 1
    cells = certificate["prefixes"]["cells"]
    assert 0 < Fraction(cells["largest"]) <= cells["at_most"]

    worst["largest"] = "1/1000"
    change_manifest(damaged, certificate=certificate)
    done = run("verify", damaged)

    assert done.exit_code == 1
    assert "certificate.prefixes.tasks.largest" in done.stdout
    assert "found 1/1000; the shards come to" in done.stdout
