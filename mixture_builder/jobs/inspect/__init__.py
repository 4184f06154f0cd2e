"""Looking without building: what a recipe would give, and whether what was built is right.

    check_cards.py      cards against their sample records and templates
    check_templates.py  template files against cards and each other
    lints/              what is looked for in template files
    counts.py           rows of tasks, from the store or as cards state them
    loaded_tasks.py     tasks of a recipe with the files they need
    preview_rows.py     rows to look at, from the store or of sample records
    preview.py          some examples of one task
    review.py           all templates of many tasks, as plain data
    review_page.py      the same as one page for a browser
    records.py          records of a finished mixture
    explain.py          where one record comes from, and whether it can be made again
    verify.py           whether a finished mixture is what its manifest says
    doctor.py           whether this machine has what a build needs

Nothing here prints; commands do.
"""
