"""Downloads from a server that misbehaves: the cache holds the verified file, or nothing."""

import contextlib
import gzip
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from utils.data import downloads
from utils.data.downloads import DataError, Remote, fetch, unpack

BODY = bytes(range(256)) * 1_000
SHA256 = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing on Windows")


class Handler(BaseHTTPRequestHandler):
    """Misbehaves as the path says; ``/503/2`` misbehaves twice and is good from then on."""

    def do_GET(self):
        how, _, times = self.path.strip("/").partition("/")
        self.server.requests[self.path] += 1
        if times and self.server.requests[self.path] > int(times):
            how = "good"
        getattr(self, f"reply_{how}", lambda: self.send_error(int(how)))()

    def send(self, body, length=None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def reply_good(self):
        self.send(BODY, len(BODY))

    def reply_wrong(self):
        self.send(BODY[::-1], len(BODY))

    def reply_truncated(self):
        self.send(BODY[:1_000], len(BODY))

    def reply_unannounced(self):  # cut short where no length was announced
        self.send(BODY[:1_000])

    def reply_stalled(self):
        self.send(BODY[:1_000], len(BODY))
        self.server.released.wait(20)

    def reply_waiting(self):  # good, but not before the test says so
        self.server.released.wait(20)
        self.reply_good()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = Counter()
        self.released = threading.Event()

    def handle_error(self, request, client_address):
        """A client that hangs up is part of the game."""

    def url(self, how):
        return f"http://127.0.0.1:{self.server_port}/{how}"


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache; short waits."""
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BOOK_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "TIMEOUT", 2.0)
    monkeypatch.setattr(downloads, "BACK_OFF", 0.01)
    monkeypatch.setattr(downloads, "ATTEMPTS", 3)
    return tmp_path / "cache"


def remote(*urls, hash=SHA256, **options):
    return Remote("set/file.bin", urls, hash, **options)


def files_in(folder):
    """All files but locks, which hold no data."""
    return {p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"}


def holds_the_file(cache):
    return files_in(cache) == {"file.bin"} and (cache / "set/file.bin").read_bytes() == BODY


@contextlib.contextmanager
def other_process(url, before="pass"):
    """Another Python that says "ready", runs ``before`` and fetches ``url``."""
    code = f"""
import os, signal, sys
import filelock, requests, tqdm
from utils.data import downloads
downloads.TIMEOUT, downloads.BACK_OFF, downloads.ATTEMPTS = 20, 0.01, 1
print("ready", flush=True)
{before}
try:
    print(downloads.fetch(downloads.Remote("set/file.bin", ({url!r},), {SHA256!r})))
except downloads.DataError as error:
    sys.exit(f"DataError: {{error}}")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_good_file_is_cached_and_not_fetched_again(server, cache):
    file = fetch(remote(server.url("good")))
    assert file == cache / "set/file.bin"
    assert holds_the_file(cache)
    assert fetch(remote(server.url("good"))) == file
    assert server.requests["/good"] == 1


@pytest.mark.parametrize(
    "how, says, requests",
    [
        ("wrong", "delivers sha256:", 1),
        ("unannounced", "delivers sha256:", 1),
        ("truncated", "ChunkedEncodingError", 3),
        ("stalled", "timed out", 3),
        ("404", "404", 1),
        ("503", "503", 3),
    ],
)
def test_bad_address_is_a_clear_error_and_leaves_nothing(
    server, cache, monkeypatch, how, says, requests
):
    if how == "stalled":
        monkeypatch.setattr(downloads, "TIMEOUT", 0.3)
    with pytest.raises(DataError) as caught:
        fetch(remote(server.url(how)))
    message = str(caught.value)
    assert says in message
    for advice in (server.url(how), SHA256, "set BOOK_DATA=FOLDER", "set/file.bin"):
        assert advice.replace("/", os.sep) in message or advice in message
    assert server.requests[f"/{how}"] == requests
    assert files_in(cache) == set()


@pytest.mark.parametrize("fault", ["503", "429", "truncated", "stalled"])
def test_passing_fault_is_overcome(server, cache, monkeypatch, fault):
    if fault == "stalled":
        monkeypatch.setattr(downloads, "TIMEOUT", 0.5)
    fetch(remote(server.url(f"{fault}/2")))
    assert server.requests[f"/{fault}/2"] == 3
    assert holds_the_file(cache)


def test_waits_grow(server, monkeypatch):
    waits = []
    monkeypatch.setattr(downloads, "BACK_OFF", 1.0)
    monkeypatch.setattr(downloads, "ATTEMPTS", 4)
    monkeypatch.setattr(downloads.time, "sleep", waits.append)
    fetch(remote(server.url("503/3")))
    assert waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("first", ["404", "wrong", "truncated"])
def test_next_mirror_is_tried(server, cache, first):
    fetch(remote(server.url(first), server.url("good")))
    assert holds_the_file(cache)


def test_mirror_that_is_down(server, cache):
    with Server() as closed:
        down = closed.url("good")
    fetch(remote(down, server.url("good")))
    assert holds_the_file(cache)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_are_none_are_named_and_mirrors_tried(
    server, cache, tmp_path, monkeypatch, content
):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content, encoding="utf-8")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setattr(downloads, "BACK_OFF", 20.0)  # another attempt cannot cure it
    start = time.monotonic()
    secure = server.url("good").replace("http:", "https:")
    with pytest.raises(DataError) as told:
        fetch(remote(secure, secure))
    said = str(told.value)
    assert said.count(f"check REQUESTS_CA_BUNDLE={bundle}") == 2 and "Make room" not in said
    assert time.monotonic() - start < downloads.BACK_OFF
    fetch(remote(secure, server.url("good")))
    assert holds_the_file(cache)


def test_all_addresses_are_named_when_all_fail(server, cache):
    with pytest.raises(DataError, match=r"(?s)/404: 404.*/wrong: delivers"):
        fetch(remote(server.url("404"), server.url("wrong")))


def test_two_processes_at_once_fetch_once(server, cache):
    url = server.url("waiting")
    with other_process(url) as one, other_process(url) as two:
        wait_until(lambda: server.requests["/waiting"])
        time.sleep(0.3)  # for the other to reach the lock
        server.released.set()
        for process in (one, two):
            out, err = process.communicate(timeout=30)
            assert process.returncode == 0, err
            assert Path(out.strip()) == cache / "set/file.bin"
    assert server.requests["/waiting"] == 1
    assert holds_the_file(cache)


@pytest.mark.parametrize("by", ["SIGKILL", pytest.param("SIGINT", marks=on_posix)])
def test_interrupted_half_way(server, cache, by):
    part = cache / "set/file.bin.part"
    with other_process(server.url("stalled/1")) as process:
        wait_until(lambda: part.exists())
        if by == "SIGKILL":
            process.kill()
        else:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode != 0
    assert not (cache / "set/file.bin").exists()
    if by == "SIGINT":
        assert files_in(cache) == set()
    fetch(remote(server.url("stalled/1")))
    assert holds_the_file(cache)


@on_posix
def test_full_disk(server, cache):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    with other_process(server.url("good"), before=limit) as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.search(r"(?s)DataError.*File too large.*Make room, or set BOOK_CACHE", err)
    assert files_in(cache) == set()


@on_posix
def test_read_only_cache(server, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        monkeypatch.setenv("BOOK_CACHE", folder)
        # Root may write anywhere, so it becomes nobody first.
        nobody = "os.geteuid() or os.setuid(65534)"
        with other_process(server.url("good"), before=nobody) as process:
            _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert re.search(r"(?s)DataError.*Permission denied.*set BOOK_CACHE", err)
        assert os.listdir(folder) == []


def test_cache_that_is_no_folder(server, cache):
    cache.write_text("a file")
    with pytest.raises(DataError, match="set BOOK_CACHE to a folder that can be written to"):
        fetch(remote(server.url("good")))
    assert cache.read_text() == "a file"


def test_readers_own_folder_comes_first(server, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "mine"))
    mine = tmp_path / "mine/set/file.bin"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(BODY)
    assert fetch(remote(server.url("good"))) == mine
    assert not server.requests


def test_wrong_file_on_disk_is_named_and_not_used(server, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path / "mine"))
    mine, cached = tmp_path / "mine/set/file.bin", cache / "set/file.bin"
    for file in (mine, cached):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"something else")
    with pytest.warns(UserWarning, match="is not the published file") as warned:
        fetch(remote(server.url("good")))
    assert [str(w.message).split()[0] for w in warned] == [str(mine), str(cached)]
    assert holds_the_file(cache)
    assert mine.read_bytes() == b"something else"


def test_error_names_the_readers_folder(server, tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    with pytest.raises(DataError, match=re.escape(f"put it at {tmp_path / 'set/file.bin'}.")):
        fetch(remote(server.url("404")))


def test_file_packed_anew_is_known_by_its_content(tmp_path, server):
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(BODY, compresslevel=1))
    content = hashlib.sha256(BODY).hexdigest()
    wanted = remote(
        server.url("404"), hash="md5:0", content_sha256=content, elsewhere=(str(packed),)
    )
    assert fetch(wanted) == packed
    for broken in (packed.read_bytes()[:-20], b"no gzip", gzip.compress(BODY[1:])):
        packed.write_bytes(broken)
        assert not wanted.matches(packed)


def make_archive(file, members):
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(file, "w:gz") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return file


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_archive_is_unpacked_once(tmp_path, suffix):
    archive = make_archive(tmp_path / f"a{suffix}", {"in/one.txt": b"1", "two.txt": b"2"})
    folder = unpack(archive, tmp_path / "data/out")
    assert files_in(folder) == {"one.txt", "two.txt"}
    (folder / "two.txt").write_text("kept")
    assert (unpack(archive, folder) / "two.txt").read_text() == "kept"


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", ["../evil.txt", "in/../../evil.txt"])
def test_archive_that_climbs_out_is_refused(tmp_path, suffix, name):
    archive = make_archive(tmp_path / f"a{suffix}", {"good.txt": b"1", name: b"2"})
    with pytest.raises(DataError, match="outside"):
        unpack(archive, tmp_path / "data/out")
    assert files_in(tmp_path) == {archive.name}
    assert not (tmp_path / "data/out").exists()


def test_archive_with_a_link_to_outside_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    with pytest.raises(DataError, match="link"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_broken_archive_leaves_nothing(tmp_path, suffix):
    archive = make_archive(tmp_path / f"a{suffix}", {"good.txt": os.urandom(10_000)})
    archive.write_bytes(archive.read_bytes()[:5_000])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")
    assert files_in(tmp_path) == {archive.name}
