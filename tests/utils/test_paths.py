"""Where the book keeps its files."""

from pathlib import Path

from utils import paths

ROOT = Path(__file__).resolve().parents[2]


def test_in_the_repository():
    assert paths.book_root() == ROOT
    assert paths.shipped_data() == ROOT / "data"
    assert paths.shipped_data().is_dir()
    assert paths.claims_file() == ROOT / "chapters/claims.yml"


def test_in_a_wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "_IN_WHEEL", tmp_path)
    assert paths.book_root() == tmp_path
    assert paths.shipped_data() == tmp_path / "data"
    assert paths.claims_file() == tmp_path / "claims.yml"


def test_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path))
    assert paths.cache_dir() == tmp_path
    monkeypatch.setenv("BOOK_CACHE", "~/somewhere")
    assert paths.cache_dir() == Path.home() / "somewhere"
    monkeypatch.delenv("BOOK_CACHE")
    assert "deep-learning-tested" in paths.cache_dir().parts


def test_readers_own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    assert paths.local_data() == tmp_path
    monkeypatch.setenv("BOOK_DATA", "")
    assert paths.local_data() is None
    monkeypatch.delenv("BOOK_DATA")
    assert paths.local_data() is None
