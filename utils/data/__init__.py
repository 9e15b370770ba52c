"""Every data set of the book by one call each: ``available`` lists them, ``load`` takes a name.

Names load when they are first used, as in ``utils`` itself; they are listed in ``__init__.pyi``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
