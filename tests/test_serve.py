"""`make serve`: pages get a script that reloads them, and only sources start a build."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchfiles import Change

from tools import serve


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Server]:
    """A server over a built book of one page."""
    (tmp_path / "index.html").write_text("<body><p>Page</p></body>", encoding="utf-8")
    (tmp_path / "style.css").write_text("p { color: red }", encoding="utf-8")
    monkeypatch.setattr(serve, "HTML", tmp_path)
    running = serve.start(18000, attempts=500)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def get(server: serve.Server, path: str) -> str:
    """The body of an answer."""
    address = f"http://127.0.0.1:{server.server_address[1]}{path}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("path", ["/", "/index.html", "/index.html?highlight=x"])
def test_pages_get_the_script(server: serve.Server, path: str) -> None:
    page = get(server, path)
    assert "<p>Page</p>" in page
    assert "location.reload()" in page


def test_other_files_are_served_as_they_are(server: serve.Server) -> None:
    assert get(server, "/style.css") == "p { color: red }"


def test_a_build_changes_the_number_that_pages_ask_for(server: serve.Server) -> None:
    before = get(server, "/__build")
    server.build += 1
    assert get(server, "/__build") != before


def test_a_taken_port_is_passed_over(server: serve.Server) -> None:
    taken = server.server_address[1]
    other = serve.start(taken)
    assert other.server_address[1] != taken
    other.server_close()


@pytest.mark.parametrize(
    ("path", "builds"),
    [
        ("chapters/cnn/lenet.ipynb", True),
        ("intro.md", True),
        ("_static/book.css", True),
        ("_build/html/intro.html", False),
        ("_build/jupyter_execute/intro.md", False),
        (".venv/lib/a.py", False),
        (".venv-grading/lib/a.py", False),
        (".git/index", False),
        ("chapters/cnn/.ipynb_checkpoints/lenet.ipynb", False),
    ],
)
@pytest.mark.parametrize("root", [serve.ROOT, Path("/home/me/build/dist/.venv/book").absolute()])
def test_only_sources_start_a_build(
    path: str, builds: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the book lies."""
    monkeypatch.setattr(serve, "ROOT", root)
    assert serve.Sources()(Change.modified, str(root / path)) is builds
