"""Show the book in a browser, build it again when a file changes, and reload the page.

    make serve                     http://127.0.0.1:8000, or the next free port

A served page gets a few lines of script that ask for the number of the build; the built files on
disk stay as they are. Warnings are shown but do not stop anything: `make book` is strict.
"""

from __future__ import annotations

import argparse
import functools
import os
import subprocess
import sys
import threading
import webbrowser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from watchfiles import DefaultFilter, watch

from tools import environment
from tools.book import ROOT

HTML = ROOT / "_build" / "html"
RELOAD = b"""<script>(() => {
  let seen;
  setInterval(async () => {
    const build = await fetch("/__build").then(r => r.text()).catch(() => seen);
    if (seen !== undefined && build !== seen) location.reload();
    seen = build;
  }, 700);
})();</script></body>"""


class Sources(DefaultFilter):
    """What the pages are made from, and not what is made."""

    made = ("_build", "build", "dist", ".ruff_cache", ".ipynb_checkpoints", ".jupyter_cache")
    ignore_dirs = (*DefaultFilter.ignore_dirs, ".venv-grading", *made)
    suffixes = (".md", ".ipynb", ".yml", ".bib", ".css", ".js", ".svg", ".png", ".py")

    def __call__(self, change, path: str) -> bool:
        """Whether a change of this file asks for a new build."""
        inside = os.path.relpath(path, ROOT)  # the book itself may lie in a folder called build
        return path.endswith(self.suffixes) and super().__call__(change, inside)


class Server(ThreadingHTTPServer):
    """A server that knows the number of the present build."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port
    build = 0


class Handler(SimpleHTTPRequestHandler):
    """Serves the built book; adds the reloading script to each page."""

    server: Server

    def do_GET(self) -> None:
        """Answer with the number of the build, a page with the script, or a file."""
        path = Path(self.translate_path(self.path.split("?")[0]))
        path = path / "index.html" if path.is_dir() else path
        if self.path == "/__build":
            self.answer(str(self.server.build).encode(), "text/plain")
        elif path.suffix == ".html" and path.is_file():
            page = path.read_bytes().replace(b"</body>", RELOAD)
            self.answer(page, "text/html; charset=utf-8")
        else:
            super().do_GET()

    def answer(self, body: bytes, kind: str) -> None:
        """Send a body that must not be cached."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep the terminal for the build's messages."""


def build() -> bool:
    """Build what changed; True if there is a book to look at afterwards."""
    scripts = Path(sys.executable).parent
    command = [str(scripts / "jupyter-book"), "build", ".", "-q"]
    settings = environment.clean(os.environ)
    return subprocess.run(command, cwd=ROOT, env=settings, check=False).returncode == 0


def start(port: int, attempts: int = 20) -> Server:
    """Open the server at a port, or at the next one that is free.

    Raises:
        OSError: None of the ports is free.
    """
    handler = functools.partial(Handler, directory=str(HTML))
    for candidate in range(port, port + attempts):
        try:
            return Server(("127.0.0.1", candidate), handler)
        except OSError:
            if candidate == port + attempts - 1:
                raise
    raise AssertionError("unreachable")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    options = parser.parse_args(arguments)
    if not build() and not (HTML / "index.html").exists():
        return 1
    server = start(options.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    print(f"The book is at {address} (Ctrl-C ends this)", flush=True)
    if not options.no_browser:
        webbrowser.open(address)
    for changes in watch(ROOT, watch_filter=Sources(), raise_interrupt=False):
        names = sorted({str(Path(path).relative_to(ROOT)) for _, path in changes})
        print("changed:", ", ".join(names[:5]), "...; building", flush=True)
        build()
        server.build += 1
        print("built", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
