"""What must not be published is not: each reason is named, and each has a way out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.helpers import run
from tests.release.conftest import change_licence, manifest_of


def write_audit(path: Path, severity: str, digest: str) -> None:
    """An audit of one finding."""
    finding = {
        "severity": severity,
        "check": "empty_targets",
        "task": "quickstart/sums",
        "message": "3 targets are empty",
        "remedy": "Mend the card.",
    }
    audit = {"findings": [finding], "mixture": {"content_digest": digest}}
    path.write_text(json.dumps(audit), encoding="utf-8")


def test_an_audit_with_errors_forbids_it(mixture: Path) -> None:
    """An error of the audit stands in the refusal; a warning does not stop anything."""
    digest = manifest_of(mixture)["content_digest"]
    write_audit(mixture / "audit" / "audit.json", "error", digest)

    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 1
    assert "3 targets are empty [empty_targets]" in done.output
    assert "not published; 1 error" in done.output
    assert not mixture.with_name("quickstart-release").exists()

    write_audit(mixture / "audit" / "audit.json", "warning", digest)
    assert run("release", mixture, "--repo", "org/quick", "--dry-run").exit_code == 0


def test_without_an_audit_one_must_say_so(mixture: Path, tmp_path: Path) -> None:
    """No audit is no pass: one is named, or done without on purpose."""
    (mixture / "audit" / "audit.json").unlink()
    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 1
    assert "--without-audit" in done.output

    write_audit(tmp_path / "mine.json", "note", manifest_of(mixture)["content_digest"])
    for way_out in (["--without-audit"], ["--audit", tmp_path / "mine.json"]):
        done = run("release", mixture, "--repo", "org/quick", "--dry-run", *way_out)
        assert done.exit_code == 0, done.output


def test_the_audit_must_be_of_this_mixture(mixture: Path) -> None:
    """An audit of another state of the mixture says nothing about this one."""
    write_audit(mixture / "audit" / "audit.json", "note", "00")

    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 1
    assert "the audit of another mixture" in done.output


def test_an_unreadable_audit_is_no_pass(mixture: Path) -> None:
    """A file that is no audit is named, not skipped."""
    (mixture / "audit" / "audit.json").write_text("[]", encoding="utf-8")

    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 2
    assert "cannot be read as an audit" in done.output


def test_unknown_licences_forbid_it_unless_allowed(mixture: Path) -> None:
    """The tasks are named; whoever allows them gets a card that says so."""
    change_licence(mixture, "quickstart/sums", "unknown")

    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 1
    assert "the licence of 1 tasks (500 examples) is not known: quickstart/sums." in done.output

    done = run("release", mixture, "--repo", "org/quick", "--dry-run", "--allow-unknown-licences")
    assert done.exit_code == 0, done.output
    text = mixture.with_name("quickstart-release").joinpath("README.md").read_text("utf-8")
    assert "- unknown\n" in text
    assert "Of 1 tasks (500 examples) nobody knows the licence." in text


def test_a_damaged_mixture_is_not_published(mixture: Path) -> None:
    """Every shard is read before anything is sent."""
    shard = mixture / "data" / "train-00001-of-00004.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")

    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 1
    assert "train-00001-of-00004.parquet" in done.output


def test_all_reasons_are_given_at_once(mixture: Path) -> None:
    """Three things are wrong, three are named."""
    change_licence(mixture, "quickstart/sums", "unknown")
    (mixture / "audit" / "audit.json").unlink()
    (mixture / "data" / "train-00003-of-00004.parquet").unlink()

    done = run("release", mixture, "--repo", "org/quick", "--dry-run", "--json")
    assert done.exit_code == 1
    refused = json.loads(done.stdout)
    assert not refused["released"]
    assert len(refused["findings"]) == 3


def test_only_parquet_in_a_folder_here(mixture: Path) -> None:
    """What the Hub cannot show, or cannot be sent from here, is wrong usage."""
    manifest = manifest_of(mixture)
    (mixture / "manifest.json").write_text(
        json.dumps({**manifest, "format": "tfrecord"}), encoding="utf-8"
    )
    done = run("release", mixture, "--repo", "org/quick", "--dry-run")
    assert done.exit_code == 2
    assert "--format parquet" in done.output


def test_names_of_repositories_are_checked_first(mixture: Path) -> None:
    """A name that the Hub would refuse is refused before hours of work."""
    for wrong in ("quick", "a/b/c", "org/..", "https://huggingface.co/org/quick"):
        done = run("release", mixture, "--repo", wrong, "--dry-run")
        assert done.exit_code == 2
        assert "OWNER/NAME" in done.output
