"""Where the jobs run on one machine: a supervised pool of worker processes."""
