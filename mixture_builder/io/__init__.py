"""Files: the formats of a finished mixture, written whole or not at all, and checked byte for byte.

The only place that imports pyarrow. Import the module you need; this package imports none.
"""
