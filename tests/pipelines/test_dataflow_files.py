"""The image and the Flex Template of Dataflow say what the code and the lock file say."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from jsonschema import Draft202012Validator

from mixture_builder.version import __version__
from pipelines import build
from pipelines.arguments import pipeline_parser

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE: dict[str, Any] = json.loads((ROOT / "pipelines/flex_template.json").read_text("utf-8"))
PARAMETERS = {each["name"]: each for each in TEMPLATE["parameters"]}
LOCKED = (ROOT / "requirements.lock").read_text("utf-8")
DOCKERFILE = (ROOT / "pipelines/Dockerfile").read_text("utf-8")

TEXT = {"type": "string", "minLength": 1}

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "description": TEXT,
        "streaming": {"type": "boolean"},
        "supportsAtLeastOnce": {"type": "boolean"},
        "supportsExactlyOnce": {"type": "boolean"},
        "defaultStreamingMode": {"enum": ["AT_LEAST_ONCE", "EXACTLY_ONCE"]},
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "label", "helpText"],
                "additionalProperties": False,
                "properties": {
                    "name": {**TEXT, "pattern": "^[A-Za-z][A-Za-z0-9_]*$"},
                    "label": TEXT,
                    "helpText": TEXT,
                    "isOptional": {"type": "boolean"},
                    "regexes": {"type": "array", "items": {**TEXT, "format": "regex"}},
                    "paramType": TEXT,
                    "groupName": TEXT,
                    "parentName": TEXT,
                    "parentTriggerValues": {"type": "array", "items": TEXT},
                },
            },
        },
    },
}
"""Metadata of Flex Templates, as Google's page "Configure Flex Templates" lists the keys."""

OF_THE_LAUNCHER = {"mirror", "rows", "runner", "detach", "given", "help"}
"""Options that make no sense in a template: it ingests nothing, and names the runner itself."""

EXAMPLES = {
    "recipe": "flan2022-9",
    "out": "gs://bucket/mixtures/flan2022-9",
    "store": "gs://bucket/rows",
    "seed": "7",
    "shards": "1024",
    "format": "tfrecord",
    "sdk_container_image": "europe-docker.pkg.dev/project/images/mixture-builder:0.1.0",
    "number_of_worker_harness_threads": "1",
}


def options_of_build(monkeypatch: pytest.MonkeyPatch) -> dict[str, argparse.Action]:
    """The options of `python -m pipelines.build`, as its parser has them."""
    made: list[argparse.ArgumentParser] = []

    def remember(name: str, **how: Any) -> argparse.ArgumentParser:
        made.append(pipeline_parser(name, **how))
        return made[-1]

    monkeypatch.setattr(build, "pipeline_parser", remember)
    with pytest.raises(SystemExit):
        build.main(["--help"])
    return {action.dest: action for action in made[0]._actions}


def test_the_template_is_as_google_describes_templates():
    """Every key of the metadata is one that Google documents, and has its type."""
    Draft202012Validator.check_schema(SCHEMA)

    assert not [e.message for e in Draft202012Validator(SCHEMA).iter_errors(TEMPLATE)]


def test_every_parameter_is_an_option_of_the_pipeline_or_of_beam(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """No parameter is passed on to nobody, and every option of ours can be given."""
    ours = options_of_build(monkeypatch)
    parser: Any = argparse.ArgumentParser(allow_abbrev=False)
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    beam = {action.dest for action in parser._actions}

    assert set(PARAMETERS) - set(ours) <= beam
    assert set(PARAMETERS) >= set(ours) - OF_THE_LAUNCHER
    for name in ("out", "recipe", "store"):
        assert "isOptional" not in PARAMETERS[name]


def test_formats_of_the_template_are_those_of_the_pipeline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A format that can be chosen is one that can be built."""
    (pattern,) = PARAMETERS["format"]["regexes"]
    choices = [c for c in options_of_build(monkeypatch)["format"].choices or () if c]

    assert all(re.fullmatch(pattern, choice) for choice in choices)
    assert not re.fullmatch(pattern, "csv")


def test_patterns_let_through_what_they_are_for():
    """An example of every parameter fits its pattern, and a folder of one machine does not."""
    assert EXAMPLES.keys() == PARAMETERS.keys()
    for name, example in EXAMPLES.items():
        assert all(re.fullmatch(p, example) for p in PARAMETERS[name]["regexes"]), name
    for name in ("out", "store"):
        assert not re.fullmatch(PARAMETERS[name]["regexes"][0], "/data/rows")


def test_the_image_has_the_beam_of_the_lock_file():
    """Launcher and workers must hold the same Beam."""
    (locked,) = re.findall(r"^apache-beam(?:\[\w+\])?==(\S+)", LOCKED, re.MULTILINE)

    assert f"ARG BEAM={locked}\n" in DOCKERFILE
    assert f"mixture-builder:{__version__}" in PARAMETERS["sdk_container_image"]["helpText"]


def test_what_the_image_copies_is_let_through_to_it():
    """Every file that the Dockerfile copies from the checkout is one that .dockerignore allows."""
    allowed = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    ]

    assert copied == ["requirements.lock", "dist/*.whl", "pipelines"]
    assert {f"!{name}" for name in copied} <= set(allowed)
    assert "FLEX_TEMPLATE_PYTHON_PY_FILE=/template/pipelines/build.py" in DOCKERFILE
    assert (ROOT / "pipelines/build.py").is_file()
