"""Google Cloud without Google: its fake storage server, and Dataflow's runner up to the service."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.conftest import (
    ROOT,
    Environment,
    build_command,
    environment,
    free_port,
    summary,
)
from tests.transforms.conftest import Built, Small

pytestmark = pytest.mark.engines

IMAGE = "europe-docker.pkg.dev/project/images/mixture-builder:0.1.0"

DOWNLOAD = """
import sys, fsspec
files, root = fsspec.core.url_to_fs(sys.argv[1])
files.get(root + "/", sys.argv[2] + "/", recursive=True)
"""


@pytest.fixture
def gcp(tmp_path: Path) -> Iterator[Environment]:
    """The environment, with a storage server that has a bucket."""
    port = free_port()
    google = environment("gcp", tmp_path / "gcp", NO_GCE_CHECK="true")
    google.variables["STORAGE_EMULATOR_HOST"] = f"http://localhost:{port}"
    server = ["gcp-storage-emulator", "start", "-q", "-M", "--default-bucket=bucket"]
    with google.started(*server, f"--port={port}", until=port):
        yield google


def files_at(google: Environment, url: str, folder: Path) -> dict[str, bytes]:
    """All files below a URL, by their names below it."""
    done = google.run("python", "-c", DOWNLOAD, url, folder)
    assert done.returncode == 0, done.stderr[-2_000:]
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()
    }


def test_row_store_and_mixture_on_google_cloud_storage(
    gcp: Environment, small: Small, tmp_path: Path, built_locally: Built
):
    """A build at gs:// leaves the files of a local build."""
    command = build_command(small, tmp_path, store="gs://bucket/rows", out="gs://bucket/mixture")

    done = gcp.run(*command)

    assert summary(done)["content_digest"] == built_locally.manifest["content_digest"]
    assert files_at(gcp, "gs://bucket/mixture", tmp_path / "copy") == built_locally.files


def test_dataflow_is_given_a_job_that_runs(gcp: Environment, tmp_path: Path):
    """Dataflow's runner describes the job; its very pipeline, run here, builds the mixture."""
    shutil.copytree(ROOT / "pipelines", gcp.home / "pipelines")
    build = ["mixture-builder", "build", "quickstart", "--store=gs://bucket/rows", "--json"]
    local = gcp.run(*build, "--out=gs://bucket/local")
    assert local.returncode == 0, local.stderr[-2_000:]

    launched = gcp.run(
        *["python", "-m", "pipelines.build", "--recipe=quickstart"],
        *["--store=gs://bucket/rows", "--out=gs://bucket/mixture", "--runner=DataflowRunner"],
        *["--project=my-project", "--region=europe-west1", "--no_auth"],
        *["--temp_location=gs://bucket/tmp", "--staging_location=gs://bucket/staging"],
        *["--template_location=gs://bucket/template/job.json", f"--sdk_container_image={IMAGE}"],
    )
    assert launched.returncode == 0, launched.stderr[-2_000:]
    script = Path(__file__).parent / "scripts" / "described_job.py"
    done = gcp.run("python", script, "gs://bucket/template/job.json", IMAGE)

    assert done.returncode == 0, done.stderr[-4_000:]
    assert json.loads(done.stdout) == {
        "type": "JOB_TYPE_BATCH",
        "images": [IMAGE],
        "environments": ["beam:env:docker:v1"],
        "environment_images": [IMAGE],
        "steps": [
            "beam:transform:group_by_key:v1",
            "beam:transform:impulse:v1",
            "beam:transform:pardo:v1",
        ],
        "staged": ["pipeline.pb"],
    }
    built = files_at(gcp, "gs://bucket/mixture", tmp_path / "built")
    assert built == files_at(gcp, "gs://bucket/local", tmp_path / "local")
    assert "manifest.json" in built


def test_the_template_is_what_googles_client_takes(tmp_path: Path):
    """Google's own class for template metadata knows every key of ours."""
    google = environment("gcp", tmp_path / "gcp")
    code = (
        "import sys; from google.cloud import dataflow_v1beta3 as d; "
        "t = d.TemplateMetadata.from_json(open(sys.argv[1]).read(), ignore_unknown_fields=False); "
        "print(len(t.parameters))"
    )

    done = google.run("python", "-c", code, ROOT / "pipelines" / "flex_template.json")

    assert done.stdout == "8\n", done.stderr[-2_000:]


def test_dataflow_refuses_folders_of_this_machine(tmp_path: Path):
    """Before anything is started: workers of Dataflow see no folder of the launcher."""
    google = environment("gcp", tmp_path / "gcp")
    shutil.copytree(ROOT / "pipelines", google.home / "pipelines")
    stored = google.run("mixture-builder", "ingest", "quickstart", f"--store={tmp_path}/rows")
    assert stored.returncode == 0, stored.stderr

    done = google.run(
        *["python", "-m", "pipelines.build", "quickstart", f"--store={tmp_path}/rows"],
        *["--out=gs://bucket/mixture", "--runner=DataflowRunner", "--detach"],
        *["--project=my-project", "--region=europe-west1", "--no_auth", "--dry_run=True"],
        *["--temp_location=gs://bucket/tmp", "--staging_location=gs://bucket/staging"],
    )

    assert done.returncode == 2
    assert "a folder of this machine; expected a URL such as gs://BUCKET/FOLDER" in done.stderr
