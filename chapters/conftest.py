"""A notebook tested alone is held to the same as in `make test`."""

from tests.conftest import pytest_configure

__all__ = ["pytest_configure"]
