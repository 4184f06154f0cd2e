"""What Dataflow would be given: checks a job's description, and runs its pipeline here.

python described_job.py TEMPLATE IMAGE        both are read from (fake) Google Cloud Storage
"""

import json
import sys

import fsspec
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from google.cloud import dataflow_v1beta3

template, image = sys.argv[1:]
files, path = fsspec.core.url_to_fs(template)
text = files.cat_file(path).decode()
job = dataflow_v1beta3.Job.from_json(text, ignore_unknown_fields=True)
(pool,) = job.environment.worker_pools
(staged,) = [
    option["value"]
    for option in json.loads(text)["environment"]["sdkPipelineOptions"]["display_data"]
    if option["key"] == "staging_location"
]
pipeline = beam_runner_api_pb2.Pipeline.FromString(files.cat_file(f"{staged}/pipeline.pb"))
environments = list(pipeline.components.environments.values())
payloads = [beam_runner_api_pb2.DockerPayload.FromString(e.payload) for e in environments]
transforms = pipeline.components.transforms.values()
leaves = [
    t
    for t in transforms
    if not t.subtransforms and set(t.inputs.values()) != set(t.outputs.values())
]
print(
    json.dumps(
        {
            "type": job.type_.name,
            "images": [i.container_image for i in pool.sdk_harness_container_images],
            "environments": sorted({e.urn for e in environments}),
            "environment_images": sorted({p.container_image for p in payloads}),
            "steps": sorted({t.spec.urn for t in leaves}),
            "staged": sorted(n.rsplit("/", 1)[-1] for n in files.find(staged)),
        }
    )
)
assert common_urns.environments.DOCKER.urn == environments[0].urn
for environment in environments:
    environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
    del environment.dependencies[:]
FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([])).wait_until_finish()
