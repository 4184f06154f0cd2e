#!/usr/bin/env bash
# Makes the environment in which `make test-readers` reads exports: TensorFlow, seqio, TFDS, Grain, PyTorch, streaming,
# Megatron-LM. Several GB, some minutes. They stay out of requirements.lock: the package needs none of them.
# Usage: scripts/readers.sh VENV. PYTHON=... chooses the interpreter; 3.11 is what the versions were tried with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${1:?usage: scripts/readers.sh VENV}
python=${PYTHON:-python3.11}
if ! command -v "$python" >/dev/null 2>&1; then
  echo "readers: $python is not there. Name another Python that has wheels of the versions in scripts/readers.txt: PYTHON=..." >&2
  exit 2
fi

echo "readers: $venv with $("$python" --version), from scripts/readers.txt (some minutes the first time)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -r scripts/readers.txt
"$venv/bin/python" -m pip check
