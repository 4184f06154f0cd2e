"""What is looked for in template files; each lint is a generator of problems of one file.

problem.py   names and meanings of all lints, and what one of them finds
subject.py   a template file with the cards that use it and their sample rows
shapes.py    rendered texts in which what a field put in is told from what the template says
wording.py   how many templates there are, how much they share, which way they go
names.py     fields that are never shown, targets that are constant or given away
literal.py   what a template says by itself: odd characters, placeholders, brackets, labels
choices.py   talk of options where none are listed, or of another number of them
rendered.py  what only shows once rows are put in: spaces, doubled marks, "None", leaks
"""
