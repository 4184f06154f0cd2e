"""From a finished mixture to a dataset on the Hub: what is published, whether it may be, the push.

gate       may it be published: audit, licences, format
folder     the release as it will stand on the Hub, as a folder on this machine
croissant  the description of it in Croissant
recipe     a release without data: cards, templates, lock and digests
sealing    what both have in common: files, `release.json`
pushing    from the folder to the Hub: what to send, in which commits
hub        the one door to `huggingface_hub`
"""
