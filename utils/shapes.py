"""Shapes and types in signatures are checked when a function is called.

Notebooks switch this on for their own cells (``%jaxtyping.typechecker utils.shapes.typechecker``),
the tests for all of `utils`. As everywhere in Python, an integer will do where a float is asked
for.
"""

from beartype import BeartypeConf, beartype

typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
