"""Audits of stored rows: which say the same, and which are in held-out sets.

Rows, not examples: a mixture asks about a row many times by design, in other words each time.

    words          texts to hashed words and n-grams, by columns
    duplicates     equal and nearly equal rows of all tasks
    signatures     MinHash signatures and their buckets
    held_out       held-out items, and their n-grams as an index
    contamination  rows that hold a held-out item

What is found can be written as a list of excluded rows, which a recipe's `filters.rows` names.
"""
