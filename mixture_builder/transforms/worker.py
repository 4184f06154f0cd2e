"""What each process of `watched_workers.py` runs: Beam's own worker, without its chatter.

Warnings and errors go to stderr; what Beam says about its ports and channels does not.
"""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Runs until the launching process closes the connection."""
    handler = logging.StreamHandler()
    # Beam sets the level of the root logger while it starts, so the handler has to hold.
    handler.setLevel(logging.WARNING)
    handler.addFilter(_is_wanted)
    logging.basicConfig(
        format="%(levelname)s: %(name)s: %(message)s", handlers=[handler], level=logging.WARNING
    )
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _is_wanted(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("No semi_persistent_directory found")


if __name__ == "__main__":
    main()
