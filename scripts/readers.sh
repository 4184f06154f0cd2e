#!/usr/bin/env bash
# Makes an environment in which `make test-readers` reads exports: `readers` has TensorFlow, seqio, TFDS, Grain, PyTorch,
# streaming and Megatron-LM, `trainers` has TRL and torchtune, `loaders` has PyTorch and Grain beside this package. Several GB, some minutes. They stay out of requirements.lock:
# the package needs none of them.
# Usage: scripts/readers.sh readers|trainers|loaders VENV. PYTHON=... chooses the interpreter; 3.11 is what the versions were
# tried with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

list=scripts/${1:?usage: scripts/readers.sh readers|trainers|loaders VENV}.txt
venv=${2:?usage: scripts/readers.sh readers|trainers|loaders VENV}
python=${PYTHON:-python3.11}
if ! command -v "$python" >/dev/null 2>&1; then
  echo "readers: $python is not there. Name another Python that has wheels of the versions in $list: PYTHON=..." >&2
  exit 2
fi

echo "readers: $venv with $("$python" --version), from $list (some minutes the first time)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -r "$list"
"$venv/bin/python" -m pip check
