#!/usr/bin/env bash
# Makes an environment in which `make test-engines` runs the installed wheel on an engine: nothing of the checkout is in it.
#   wheel   Beam's job service and its external workers; S3 through s3fs
#   dask    Beam's DaskRunner on a local cluster
#   spark   beam-pyspark-runner on a local Spark; needs Java. It asks for a Beam of 2023 by its metadata, and runs with ours.
#   gcp     Dataflow's runner, offline; Google Cloud Storage's fake server
# Versions not named here are those of requirements.lock.
# Usage: scripts/engines.sh NAME VENV. PYTHON=... chooses the interpreter; 3.11 is what the versions were tried with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=${1:?usage: scripts/engines.sh NAME VENV}
venv=${2:?usage: scripts/engines.sh NAME VENV}
python=${PYTHON:-python3.11}
wheel=$(ls dist/mixture_builder-*.whl)

extras=s3
packages=()
case $name in
  wheel) ;;
  dask) packages=(dask==2026.8.0 distributed==2026.8.0) ;;
  spark) packages=(pyspark==3.5.1) ;;
  gcp)
    extras=gcp,gcs
    packages=(gcp-storage-emulator==2026.7.19)
    ;;
  *)
    echo "engines: found no environment named $name; expected wheel, dask, spark or gcp." >&2
    exit 2
    ;;
esac

if [[ ! -x $venv/bin/python ]]; then
  echo "engines: $venv with $("$python" --version) (about a minute the first time)"
  "$python" -m venv --clear "$venv"
fi
# Hashes are left out: pip would want one for the wheel, too.
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
sed -E '/^ +--hash/d; s/ \\$//' requirements.lock >"$constraints"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -c "$constraints" "$wheel[$extras]" "${packages[@]}"
# The same version of the wheel may hold other files than last time.
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --force-reinstall "$wheel"
if [[ $name == spark ]]; then
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps beam-pyspark-runner==0.0.3
fi
