"""The fast forms of what the chapters build; tests hold each equal to its chapter's own."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
