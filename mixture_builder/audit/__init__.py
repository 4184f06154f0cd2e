"""Audits of mixtures: what is in them, looked at record by record, told as findings.

    audit_shard    one shard to a small state                        (any worker)
    merged         states of any shards, in any order, to one
    document       the state of all shards to findings and figures

A state holds counts, sketches and a few records for each thing found, so it stays small however
large the mixture is. `sections.py` lists what is looked at; each section is three functions.
"""
