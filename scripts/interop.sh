#!/usr/bin/env bash
# Makes an environment in which `make interop` reads exports: `readers` has TensorFlow, seqio, TFDS, Grain, PyTorch,
# streaming and Megatron-LM; `trainers` has datasets, TRL and torchtune; `llama-factory` and `axolotl` have one trainer
# each; `loaders` has PyTorch and Grain beside this package. `seqio` is for the benchmark of seqio. Several GB, some minutes. They stay out of requirements.lock: the package needs none of them.
# What a NAME.no-deps.txt lists is installed last, without what it asks for: much of that runs on graphics cards only,
# and the code that reads data needs none of it.
# Usage: scripts/interop.sh NAME VENV. PYTHON=... chooses the interpreter; 3.11 is what the versions were tried with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage="usage: scripts/interop.sh readers|trainers|loaders|llama-factory|axolotl|seqio VENV"
name=${1:?$usage}
venv=${2:?$usage}
list=scripts/interop/$name.txt
alone=scripts/interop/$name.no-deps.txt
python=${PYTHON:-python3.11}
if ! command -v "$python" >/dev/null 2>&1; then
  echo "interop: $python is not there. Name another Python that has wheels of the versions in $list: PYTHON=..." >&2
  exit 2
fi

echo "interop: $venv with $("$python" --version), from $list (some minutes the first time)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -r "$list"
"$venv/bin/python" -m pip check
if [[ -f $alone ]]; then
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps -r "$alone"
fi
