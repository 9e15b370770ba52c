"""What holds for all tests: shapes are checked at run time, and workers share the cores.

Shapes in the signatures of `utils` are checked by beartype wherever a test calls it. For the
definitions in notebooks there is `tests.notebook_code.notebook_definitions`.
"""

from __future__ import annotations

import os

# Two workers with two threads each would wait for each other. Kernels that nbval starts inherit
# the variable, so this comes before anything imports torch.
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("BOOK_PROGRESS", "0")  # nobody looks at a bar here
os.environ.setdefault("BOOK_DEVICE", "cpu")  # the stored outputs come from there

from jaxtyping import install_import_hook

_hook = install_import_hook("utils", "utils.shapes.typechecker")  # before anything imports utils

import pytest  # noqa: E402

from tests.notebooks import guard  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Let nbval notice what it would pass over."""
    guard.install()
