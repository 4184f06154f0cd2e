"""A mixture as a data set that is read without being written first.

opening.py   from a recipe, a lock or a built folder to a lock with rows under it
records.py   from draws to finished records
index.py     from numbers of records to draws
reading.py   reading on from any place
mixture.py   `Mixture`: length, any record by its number, parts for several readers
"""
