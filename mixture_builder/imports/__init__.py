"""Templates of other collections, said in our format.

    promptsource_files   reads their YAML: plain data, nothing is constructed
    cutting              prompt and target cut apart
    conversion           one template of theirs to an input and a target of ours
    jinja_source         writes Jinja for a syntax tree
    reference            renders a template of theirs by their rules, to compare with ours
    parity               which texts differ
    template_files       a set of templates, its file and the fields its card needs

Imported files come from strangers: they are read as syntax trees, and only what the sandbox
allows is written. Nothing here renders what it was given but `reference`, in the sandbox.
"""
