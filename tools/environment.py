"""The environment in which the book's programs and kernels run, whatever the user's is like.

    python -I tools/environment.py [OPTIONS] -m MODULE ARGUMENTS    as python does, but in it

The shells' settings of Python, Jupyter, IPython, Matplotlib, pip and pytest may decide what a page
shows, which interpreter runs it, whether assertions are checked, and where packages go: they are
left out, or set. What leads to the network (an index of packages, a proxy, certificates) and to
data stays. `-I` keeps the same settings from this program itself. Standard library only.

An argument `@NAME` stands for the words of the variable NAME, quoted as in a shell, and
`--option=@NAME` for its value as it is, or for nothing where that is empty: so values that `make`
was given arrive whole, and no shell reads them.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Variables that start so are left out, but for those of KEPT.
LEFT_OUT = ("PYTHON", "JUPYTER_", "JUPYTERLAB_", "PIP_", "UV_")
KEPT = {
    "PYTHON",  # make's own
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUNBUFFERED",
    "UV_DEFAULT_INDEX",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_NATIVE_TLS",
    "UV_CACHE_DIR",
}
# What of pip's settings says how to reach an index; all others say what to install, or where.
NETWORK = {
    "cache-dir",
    "cert",
    "client-cert",
    "default-timeout",
    "extra-index-url",
    "find-links",
    "index-url",
    "keyring-provider",
    "no-cache-dir",
    "no-index",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
    "use-feature",
}
KEPT |= {"PIP_" + name.upper().replace("-", "_") for name in (*NETWORK, "config-file")}
ALSO_LEFT_OUT = {"MPLBACKEND", "MATPLOTLIBRC", "IPYTHONDIR", "MYPYPATH"}
ALSO_LEFT_OUT |= {"PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}


@cache
def _settings() -> Path:
    """The folder of IPython's and Jupyter's settings: this environment's own."""
    installed = sys.prefix == sys.base_prefix  # the system's Python, which is not ours to change
    folder = ROOT / "_build" if installed else Path(sys.prefix)
    if not os.access(ROOT if installed else folder, os.W_OK):
        return Path(tempfile.mkdtemp(prefix="book-settings-"))
    return folder / "settings"


def clean(given: Mapping[str, str], **more: str) -> dict[str, str]:
    """An environment without the settings that would decide results.

    Args:
        given: the user's environment.
        more: variables to set besides.
    """
    kept = {
        name: value
        for name, value in given.items()
        if name not in ALSO_LEFT_OUT and (name in KEPT or not name.startswith(LEFT_OUT))
    }
    return kept | {
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": os.devnull,  # a file that sets nothing, in place of the user's
        "IPYTHONDIR": str(_settings() / "ipython"),
        "JUPYTER_CONFIG_DIR": str(_settings() / "jupyter"),
        "JUPYTER_DATA_DIR": str(_settings() / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        **more,
    }


def adopt() -> None:
    """Make this process's variables clean, for the kernels and programs that it starts."""
    settings = clean(os.environ)
    os.environ.clear()
    os.environ.update(settings)


def words(argument: str, given: Mapping[str, str]) -> list[str]:
    """What an argument of this program stands for.

    Raises:
        SystemExit: a variable has a quotation mark without its partner.
    """
    option, sign, name = argument.rpartition("@")
    if not sign or not name.isidentifier() or not (option == "" or option.endswith("=")):
        return [argument]
    value = given.get(name, "").strip()
    if option:
        return [option + value] if value else []
    try:
        return shlex.split(value)
    except ValueError as error:
        sys.exit(f"{name}={value}: {error}. A name with blanks or quotation marks is to be quoted.")


def main() -> int:
    """Run Python in the clean environment."""
    given = clean(os.environ)
    arguments = [word for argument in sys.argv[1:] for word in words(argument, os.environ)]
    command = [sys.executable, *arguments]
    if os.name == "nt":  # there, a program that another takes the place of counts as ended
        return subprocess.run(command, env=given, check=False).returncode
    sys.stdout.flush()
    os.execve(sys.executable, command, given)


if __name__ == "__main__":
    sys.exit(main())
