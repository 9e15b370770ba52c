"""Helpers of *Deep Learning, Tested*: what the notebooks need that is not their lesson.

Submodules and names load when they are first used, so that ``import utils`` costs next to nothing.
"""

try:
    import lazy_loader
except ModuleNotFoundError as _error:  # `python -m utils.doctor` has to start, and say so
    _missing = _error

    def __getattr__(name):
        """Say what is missing when a name is asked for."""
        raise ImportError(f"{_missing}: python -m utils.doctor says what to do.") from _missing

else:
    __getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
