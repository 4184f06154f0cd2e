"""Asking addresses whether they still answer, without reading what they hold.

    answers.py   what is said of an address
    hosts.py     many addresses at once, and hosts that are given up
    web.py       http(s): the first kilobyte
    hub.py       the Hugging Face Hub: which files and configurations a dataset has
    places.py    local files, and clouds through fsspec

Nothing here reads more than `HEAD_BYTES` of a file, and nothing is stored.
"""

from mixture_builder.io.asking.answers import Answer, Reason
from mixture_builder.io.asking.hosts import HostCount, ask_all, host_of
from mixture_builder.io.asking.judging import problem_with

__all__ = ["Answer", "HostCount", "Reason", "ask_all", "host_of", "problem_with"]
