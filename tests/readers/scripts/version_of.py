"""Prints the version of a package: version_of.py PACKAGE."""

import json
import sys
from importlib.metadata import version

print(json.dumps({"version": version(sys.argv[1])}))
