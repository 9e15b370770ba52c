"""Where Chromium is on this machine, and what to say where it is not."""

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = {
    "darwin": (
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    "win32": (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files\Chromium\Application\chrome.exe",
    ),
}
# The browser must ask nobody anything on its own account.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
INSTALL = {
    "linux": "apt-get install chromium",
    "darwin": "brew install --cask chromium",
    "win32": "winget install Google.Chrome",
}


class NoChromiumError(RuntimeError):
    """There is no Chromium on this machine."""


def find_chromium() -> str:
    """The path of Chromium or Chrome: `$CHROMIUM`, the search path, or where installers put it.

    Raises:
        NoChromiumError: there is none; the message says how to install it.
    """
    if chosen := os.environ.get("CHROMIUM"):
        if found := shutil.which(chosen):
            return found
        raise NoChromiumError(f"$CHROMIUM is {chosen!r}, which is no program on this machine.")
    for name in NAMES:
        if found := shutil.which(name):
            return found
    for place in PLACES.get(sys.platform, ()):
        if Path(place).exists():
            return place
    how = INSTALL.get(sys.platform, INSTALL["linux"])
    raise NoChromiumError(
        f"PDF, EPUB and the tests of the site need Chromium: {how} (or set $CHROMIUM)."
    )
