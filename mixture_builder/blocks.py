"""How rows stand together, in the row store and in the draw of examples."""

BLOCK_ROWS = 256
"""Rows a block of the row store holds; the permutation of a task's rows keeps blocks together."""
