"""The book on paper: its built pages as one PDF and as an EPUB.

Floors: `pages` takes the pages out of the built site; `pdf` and `epub` make a document of them.
"""
