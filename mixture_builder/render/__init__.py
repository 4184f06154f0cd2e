"""From drawn rows to finished prompts and targets.

`task.py` renders the examples of one task; `options.py` lists answer options, `exemplars.py`
chooses and joins the solved pairs of few-shot prompts. Pure Python and numpy: rows come in
through the `Rows` protocol, and nothing here opens a file.
"""
