"""What the tests of every page begin with: its definitions, and the same random numbers."""

from typing import Any

import pytest

from tests.notebook_code import notebook_definitions
from tools import book
from utils import seed_everything


@pytest.fixture(scope="module")
def page(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The definitions of the page that the module is named after.

    A module's `ALSO` names assignments that are to be run although they call something.
    """
    slug = request.module.__name__.rpartition(".test_")[2].replace("_", "-")
    (name,) = [page for page in book.toc_pages() if page.rpartition("/")[2] == slug]
    return notebook_definitions(name, also=getattr(request.module, "ALSO", ()))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_everything(0)
