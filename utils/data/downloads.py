"""Files from elsewhere: found on this machine or downloaded, and verified either way.

A download goes to a temporary file, is held to its published hash, and only then takes its name in
the cache, under a lock. So the cache holds a verified file or none, whatever happens on the way.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from utils.paths import cache_dir, local_data

if TYPE_CHECKING:
    import requests

TIMEOUT = 30.0  # seconds to wait for a connection, and for each next piece of the body
ATTEMPTS = 4  # for each address, where a fault may pass
BACK_OFF = 1.0  # seconds before the second attempt; twice as long before each further one
PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that another attempt may cure
CHUNK = 1 << 16
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class _Refused(Exception):
    """A request could not be made at all, because of a setting of this machine."""


class DataError(RuntimeError):
    """A file could not be had; the message says why and what to do about it."""


@dataclass(frozen=True)
class Remote:
    """A file that somebody publishes.

    Attributes:
        path: where it lies below ``$BOOK_DATA`` and below the cache, as ``data-set/file``.
        urls: its addresses: the publisher's, then mirrors.
        hash: of the file as published, ``"md5:..."`` or ``"sha256:..."``.
        content_sha256: of what a ``.gz`` holds, to know it again where somebody packed it anew.
        elsewhere: other places on disk where it may lie, such as a package of the system.
    """

    path: str
    urls: tuple[str, ...]
    hash: str
    content_sha256: str | None = None
    elsewhere: tuple[str, ...] = ()

    def matches(self, file: Path) -> bool:
        """Whether a file on disk has the published hash, or its unpacked content has."""
        algorithm, _, expected = self.hash.partition(":")
        if file_hash(file, algorithm) == expected:
            return True
        return self.content_sha256 is not None and _content_sha256(file) == self.content_sha256

    def places(self) -> Iterator[Path]:
        """Paths where the file may lie already, the reader's own folder first."""
        if (folder := local_data()) is not None:
            yield folder / self.path
        yield cache_dir() / self.path
        yield from map(Path, self.elsewhere)


def fetch(remote: Remote) -> Path:
    """Find a file on this machine, or download it into the cache; its hash has been checked.

    Raises:
        DataError: no address delivers it, or a folder cannot be read or written.
    """
    try:
        for file in remote.places():
            if file.is_file():
                if remote.matches(file):
                    return file
                warnings.warn(
                    f"{file} is not the published file (expected {remote.hash}) and is not used.",
                    stacklevel=2,
                )
        return _download(remote, cache_dir() / remote.path)
    except OSError as error:
        hint = "Make room, or set BOOK_CACHE to a folder that can be written to. "
        raise DataError(_advice(remote, [f"  {error}"], hint)) from error


def _download(remote: Remote, target: Path) -> Path:
    """Download into ``target``, one process at a time."""
    from filelock import FileLock

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with FileLock(target.with_name(f"{target.name}.lock")):
        if target.is_file() and remote.matches(target):
            return target  # another process was quicker
        problems = []
        try:
            for url in remote.urls:
                problem = _try_address(url, part, remote)
                if problem is None:
                    part.replace(target)
                    return target
                problems.append(f"  {url}: {problem}")
        finally:
            part.unlink(missing_ok=True)
        raise DataError(_advice(remote, problems))


def _try_address(url: str, part: Path, remote: Remote) -> str | None:
    """Download one address into ``part``; None, or what is wrong with the address."""
    import requests

    problem = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACK_OFF * 2 ** (attempt - 1))
        try:
            _transfer(url, part)
        except _Refused as error:
            return str(error)
        except requests.HTTPError as error:
            problem = str(error)
            if error.response is None or error.response.status_code not in PASSING:
                return problem
        except requests.RequestException as error:  # refused, stalled, cut short
            problem = f"{type(error).__name__}: {error}"
        else:
            if remote.matches(part):
                return None
            algorithm = remote.hash.partition(":")[0]
            return f"delivers {algorithm}:{file_hash(part, algorithm)}, not {remote.hash}"
    return f"{problem} ({ATTEMPTS} attempts)"


def _request(url: str) -> "requests.Response":
    """Ask for ``url``.

    Raises:
        _Refused: the certificates that it is held to are not there, or not the right ones.
    """
    import requests

    # A server that compressed on the way would change the bytes that are to be verified.
    headers = {"Accept-Encoding": "identity"}
    try:
        return requests.get(url, stream=True, timeout=TIMEOUT, headers=headers)
    except OSError as error:  # which those of requests are as well
        if isinstance(error, requests.RequestException) and "CERTIFICATE" not in str(error):
            raise
        named = [f"{name}={os.environ[name]}" for name in _CERTIFICATES if os.environ.get(name)]
        hint = f" (check {', '.join(named)}: a file of certificates)" if named else ""
        raise _Refused(f"{error}{hint}") from error


def _transfer(url: str, part: Path) -> None:
    """Write the body of ``url`` to ``part``, with a progress bar that leaves nothing behind."""
    from tqdm import tqdm

    with _request(url) as response:
        response.raise_for_status()
        size = response.headers.get("Content-Length", "")
        total = int(size) if size.isdigit() else None
        bar = tqdm(desc=part.stem, total=total, unit="B", unit_scale=True, leave=False)
        with bar, part.open("wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())  # on the disk before it gets its name


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar or zip archive, wholly or not at all, into a folder, which is returned.

    A folder that exists is taken as unpacked.

    Raises:
        DataError: the archive is broken, or has a member that would land outside the folder.
    """
    from filelock import FileLock

    part = folder.with_name(f"{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if folder.is_dir():
                return folder
            shutil.rmtree(part, ignore_errors=True)  # of a run that was interrupted
            try:
                _extract(archive, part)
                part.replace(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{archive} cannot be unpacked into {folder}: {error}") from error
    return folder


def _extract(archive: Path, folder: Path) -> None:
    if not zipfile.is_zipfile(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        return
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():  # `extractall` would drop the dots and go on
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in name:
                raise zipfile.BadZipFile(f"{name!r} would land outside the folder")
        zipped.extractall(folder)


def file_hash(file: Path, algorithm: str = "sha256") -> str:
    """The hash of a file in hexadecimal, by an algorithm that ``hashlib`` knows."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _content_sha256(file: Path) -> str | None:
    """The hash of what a gzip file holds; None if it is no whole gzip file."""
    digest = hashlib.sha256()
    try:
        with gzip.open(file) as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return None
    return digest.hexdigest()


def _advice(remote: Remote, problems: list[str], hint: str = "") -> str:
    """What went wrong, and what the reader can do."""
    folder = local_data() or Path("FOLDER")
    setting = "" if local_data() else " and set BOOK_DATA=FOLDER"
    return "\n".join(
        [
            f"{remote.path} could not be had:",
            *problems,
            f"{hint}Or get it by hand from {remote.urls[0]}, check that its hash is {remote.hash}, "
            f"put it at {folder / remote.path}{setting}.",
        ]
    )
