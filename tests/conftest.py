"""What holds for all tests: a clean environment, shapes checked at run time, workers share cores.

Shapes in the signatures of `utils` are checked by beartype wherever a test calls it. For the
definitions in notebooks there is `tests.notebook_code.notebook_definitions`.
"""

from __future__ import annotations

import os
import sys

from tools import environment

# What the user's shell sets must not decide; what is set below is for kernels and programs as well.
environment.adopt()
for name in ("BOOK_SEED", "BOOK_FULL", "BOOK_REPLICATE"):
    os.environ.pop(name, None)
if sys.flags.optimize:
    sys.exit("Python was started with -O, which drops assertions: the tests would pass vacuously.")
# Two workers with two threads each would wait for each other. Kernels that nbval starts inherit
# the variable, so this comes before anything imports torch.
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("BOOK_PROGRESS", "0")  # nobody looks at a bar here
os.environ.setdefault("BOOK_DEVICE", "cpu")  # the stored outputs come from there

from jaxtyping import install_import_hook  # noqa: E402

_hook = install_import_hook("utils", "utils.shapes.typechecker")  # before anything imports utils

from collections.abc import Iterator  # noqa: E402

import pytest  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests.notebooks import guard  # noqa: E402
from tools.chromium import ARGUMENTS, NoChromiumError, find_chromium  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Let nbval notice what it would pass over."""
    guard.install()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: one, since a process can have Playwright running only once."""
    missing = ""
    try:
        executable = find_chromium()
    except NoChromiumError as error:
        missing = str(error)
    if missing:
        pytest.fail(missing, pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()
