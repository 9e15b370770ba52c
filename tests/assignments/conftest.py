"""The grader runs on Linux only, because its sandbox does."""

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
