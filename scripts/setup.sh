#!/usr/bin/env bash
# Makes the virtual environment: exactly what requirements.lock pins, each file checked against its hash.
# Usage: scripts/setup.sh VENV. PYTHON=... chooses the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${1:?usage: scripts/setup.sh VENV}
supported='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'
can_make_venv='import ensurepip, venv'

# Runs a candidate rather than looking it up: a version manager's shim may exist without its Python.
usable() { command -v "$1" >/dev/null 2>&1 && "$1" -c "$supported" >/dev/null 2>&1; }

if [[ -n ${PYTHON:-} ]]; then
  candidates=("$PYTHON")
else
  candidates=(python3.11 python3.12 python3.13 python3.10 python3 python)
fi

python=''
for candidate in "${candidates[@]}"; do
  if usable "$candidate"; then
    python=$candidate
    break
  fi
done

if [[ -z $python ]]; then
  {
    echo "setup: no Python 3.10 to 3.13 found. Tried:"
    for candidate in "${candidates[@]}"; do
      if command -v "$candidate" >/dev/null 2>&1; then
        echo "  $candidate: $("$candidate" --version 2>&1 | head -n 1 || true)"
      else
        echo "  $candidate: not found"
      fi
    done
    echo "Install one of these versions (3.11 is what most of us use), or name yours: make setup PYTHON=path/to/python"
  } >&2
  exit 2
fi

if ! "$python" -c "$can_make_venv" >/dev/null 2>&1; then
  echo "setup: $python ($("$python" --version)) has no 'venv' or 'ensurepip' module, so no environment can be made." >&2
  echo "On Debian or Ubuntu install the package python3-venv; elsewhere use a complete Python." >&2
  exit 2
fi

echo "setup: $venv with $("$python" --version), from requirements.lock (about a minute the first time)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
