"""The report of an audit: one HTML page that needs nothing but itself.

    records    the sample records of each task, taken apart, with their source rows
    figures    plots, as SVG that takes its colours from the page
    tables     findings and figures of the mixture, as markup
    tasks      what the page's script reads of each task, as JSON
    page       all of it put together

Cards, templates and rows may come from strangers. What stands in the markup is escaped; what is
of tasks stands in it as JSON, packed, from which the page's script makes text and nothing else;
and a Content-Security-Policy lets no script run and no style apply but the page's own.
"""
