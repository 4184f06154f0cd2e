"""From a finished mixture to the files that one trainer or loader reads.

A *target* is what is written for one consumer; `targets.py` names them all, and each has a
module in `formats/`. `options.py` holds what the user chose against what the target can do, and
`plan.py` has all that decides the files. The work is done shard by shard: `shard.py` reads one
shard of the mixture, divides it into splits (`splits.py`) and lets the target write *parts*;
`finished.py` finds what an interrupted export has done. When all parts are there, `finish.py`
gives them their names, lets the target write what else its consumer wants, and writes the
manifest last.
"""
