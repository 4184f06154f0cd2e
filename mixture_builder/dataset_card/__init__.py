"""The README of a mixture: what is in it, where it comes from, how to read it.

    card      the whole text, of a mixture and of a release without data
    head      the YAML at its head, which the Hugging Face Hub and `datasets` read
    sources   licences and papers of the sources
    limits    what a reader should know before
    loading   how it is read
    markdown  tables and lists

Written from the manifest (and, in a release, from the audit), so it cannot claim what they do not
say.
"""
