"""Imports the package `streaming` where its picture datasets cannot be imported.

They need torchvision, whose wheels want the very build of PyTorch they were made with; with
another one, such as that for processors only, importing `streaming` fails. Nothing here reads
pictures, so that one module is then left out.
"""

import sys
import types

try:
    import streaming
except (ImportError, RuntimeError):
    for name in [name for name in sys.modules if name.split(".")[0] == "streaming"]:
        del sys.modules[name]
    sys.modules["streaming.vision"] = types.ModuleType("streaming.vision")
    import streaming

__all__ = ["streaming"]
