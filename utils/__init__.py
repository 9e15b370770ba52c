"""Helpers of *Deep Learning, Tested*: what the notebooks need that is not their lesson.

Submodules and names load when they are first used, so that ``import utils`` costs next to nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
