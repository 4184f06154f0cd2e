"""What the fork server imports before it makes workers, so that each of them has it at once."""

import pyarrow as pa

import mixture_builder.jobs.build
import mixture_builder.jobs.ingest  # noqa: F401

# The first conversion makes pyarrow look for pandas, which takes longer to import than a small
# shard to build; done here, it is done once for all workers.
pa.array([""], pa.string())
