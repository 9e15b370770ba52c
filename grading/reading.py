"""Read open questions, one student after another, in a browser: python -m grading.reading.

The page is served to this machine only, under an address that nobody can guess. Marks go straight
into the gradebook, and into OUT/hand_marks.csv; run `make grade` again to have them in the table.
"""

from __future__ import annotations

import argparse
import hmac
import json
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from grading import excerpt, options, rubric, text
from grading.gradebook import Gradebook, HandMark, WrongGradebook
from grading.hand import sign
from grading.results import write_rows
from grading.rubric import Question
from grading.submissions import digest

PAGE = Path(__file__).with_name("reading.html")
SOURCE = "the reading page"
LONGEST = 64 << 10  # bytes of a request
LONGEST_COMMENT = 5000


class BadRequest(ValueError):
    """A request that makes no sense; the message says why."""


@dataclass(frozen=True)
class HandIn:
    """What one student handed in; the page never learns whose it is."""

    student: str
    digest: str
    path: Path


class Desk:
    """All that is to be read, and the gradebook into which marks go.

    Args:
        out: the folder of results, with the gradebook.
        assignment: its name.
        questions: those that people mark.
        form: the cells of the form.

    Raises:
        ValueError: there is nothing to read.
    """

    def __init__(
        self, out: Path, assignment: str, questions: Sequence[Question], form: Sequence[str]
    ) -> None:
        self.out, self.assignment, self.form = out, assignment, form
        self.questions = {question.name: question for question in questions}
        self._lock = threading.Lock()
        if not self.questions:
            raise ValueError(f"{assignment} has no question that people mark.")
        if not (out / "gradebook.sqlite").is_file():
            raise ValueError(f"There is no gradebook in {out}: run `make grade` first.")
        with self._book() as book:
            latest, places = book.latest(), book.places()
        # by digest: no order of names, and the same order every day
        found = [HandIn(s, d, places[s]) for s, d in latest.items() if places[s].is_file()]
        self.hand_ins = sorted(found, key=lambda h: (h.digest, h.student))
        if not self.hand_ins:
            raise ValueError(f"Nothing that {out / 'gradebook.sqlite'} names is there any more.")

    def _book(self) -> Gradebook:
        return Gradebook(self.out / "gradebook.sqlite", self.assignment)

    def state(self) -> dict[str, Any]:
        """What there is to read, and what has been marked."""
        with self._lock, self._book() as book:
            marks = _by_hand_in(book.by_hand())
        given = {}
        for question in self.questions.values():
            keys = [(h.student, h.digest, question.name) for h in self.hand_ins]
            given[question.name] = [_shown(question, marks.get(key)) for key in keys]
        return {
            "assignment": self.assignment,
            "questions": [asdict(question) for question in self.questions.values()],
            "given": given,
        }

    def read(self, number: int, question: str) -> list[excerpt.Block]:
        """What a student wrote below a question."""
        hand_in = self._hand_in(number, question)
        if digest(hand_in.path) != hand_in.digest:
            words = "The file has changed since it was graded: run make grade, then read it."
            return [excerpt.note(words)]
        return excerpt.of(hand_in.path, question, self.form)

    def mark(
        self, number: int, question: str, points: float | None, given: list[float], words: str
    ) -> dict[str, Any]:
        """Keep a mark, or a comment only, and return it as the page shows it.

        Raises:
            BadRequest: it makes no sense.
        """
        hand_in, asked = self._hand_in(number, question), self.questions[question]
        if points is None and (given or not words.strip()):
            raise BadRequest("neither points nor a comment")
        if points is not None and not 0 <= points <= asked.points:
            raise BadRequest(f"{points:g} points; {question} is worth 0 to {asked.points:g}.")
        if given and len(given) != len(asked.criteria):
            raise BadRequest("points for other criteria than the rubric has")
        if any(not 0 <= p <= c.points for p, c in zip(given, asked.criteria)):
            raise BadRequest("more points for a criterion than it is worth")
        if given and abs(sum(given) - (points or 0.0)) > 1e-9:
            raise BadRequest(f"{points:g} points, but the criteria have {sum(given):g}")
        words = text.plain(words.strip()[:LONGEST_COMMENT], keep="\n")
        said = rubric.comment(asked.criteria, given, words) if given else words
        mark = HandMark(hand_in.student, hand_in.digest, question, points, said, SOURCE)
        with self._lock, self._book() as book:
            book.give([mark])
            self._export(book)
        return _shown(asked, mark) or {}

    def _hand_in(self, number: int, question: str) -> HandIn:
        if question not in self.questions or not 0 <= number < len(self.hand_ins):
            raise BadRequest("no such hand-in or question")
        return self.hand_ins[number]

    def _export(self, book: Gradebook) -> None:
        """All marks of these hand-ins, in the form that `HAND=` takes and gives back unchanged."""
        rows: list[list[object]] = [["student", "question", "points", "comment", "hand_in"]]
        marks = _by_hand_in(book.by_hand())
        for (student, code, question), mark in sorted(marks.items()):
            points = "" if mark.points is None else str(mark.points).removesuffix(".0")
            rows.append([student, question, points, mark.comment, sign(code)])
        write_rows(self.out / "hand_marks.csv", rows, clean=partial(text.cell, keep="\n"))


def _by_hand_in(marks: Sequence[HandMark]) -> dict[tuple[str, str, str], HandMark]:
    """The last mark for each question of each hand-in."""
    return {(mark.student, mark.digest, mark.question): mark for mark in marks}


def _shown(question: Question, mark: HandMark | None) -> dict[str, Any] | None:
    """A mark as the page shows it; nothing if there is none."""
    if mark is None:
        return None
    given, words = rubric.taken_apart(question.criteria, mark.comment)
    return {"points": mark.points, "given": given, "comment": words}


def server(desk: Desk, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server for the page, on this machine only.

    Returns:
        The server, which is not running yet, and the address of the page.
    """
    token = secrets.token_urlsafe(24)

    class Handler(_Handler):
        pass

    Handler.desk, Handler.token = desk, token
    made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    made.daemon_threads = True
    Handler.host = f"127.0.0.1:{made.server_port}"
    return made, f"http://{Handler.host}/{token}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers the page's requests, and no others."""

    desk: Desk
    token: str
    host: str
    timeout = 60
    server_version, sys_version = "reading", ""

    def do_GET(self) -> None:
        """The page, what there is, or a student's answer."""
        self._answer({"": self._page, "state": self._state, "answer": self._read})

    def do_POST(self) -> None:
        """A mark."""
        self._answer({"mark": self._mark})

    def log_message(self, *_: object) -> None:
        """Say nothing: addresses hold the token."""

    def _answer(self, known: dict[str, Callable[[], tuple[str, bytes]]]) -> None:
        self.nonce = secrets.token_urlsafe(16)
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query))
        token, _, name = url.path.lstrip("/").partition("/")
        here = self.host
        # another page in this browser doesn't know the token; these hold it off all the same
        ours = self.headers.get("Host") == here
        ours &= self.headers.get("Origin", f"http://{here}") == f"http://{here}"
        if not ours or not hmac.compare_digest(token.encode(), self.token.encode()):
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not found")
            return
        status, kind, body = HTTPStatus.OK, "text/plain", b""
        try:
            if name not in known:
                raise BadRequest("no such page")
            kind, body = known[name]()
        except (BadRequest, KeyError, TypeError, ValueError) as error:
            status, body = HTTPStatus.BAD_REQUEST, str(error).encode(errors="replace")
        except Exception as error:  # a full disk, say: the page shows it, and the server stays
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            body = f"{type(error).__name__}: {error}".encode(errors="replace")
        with suppress(ConnectionError):  # the reader has gone on to the next
            self._send(status, kind, body)

    def _page(self) -> tuple[str, bytes]:
        source = PAGE.read_text(encoding="utf-8").replace("NONCE", self.nonce)
        return "text/html", source.encode()

    def _state(self) -> tuple[str, bytes]:
        return _json(self.desk.state())

    def _read(self) -> tuple[str, bytes]:
        return _json(self.desk.read(int(self.query["number"]), self.query["question"]))

    def _mark(self) -> tuple[str, bytes]:
        length = int(self.headers.get("Content-Length", "0"))
        if length > LONGEST:
            raise BadRequest("a request that is too long")
        asked = json.loads(self.rfile.read(length))
        given = [float(points) for points in asked["given"]]
        words = str(asked["comment"])
        question = str(asked["question"])
        points = None if asked["points"] is None else float(asked["points"])
        return _json(self.desk.mark(int(asked["number"]), question, points, given, words))

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        # nothing from elsewhere, and no script but the page's own
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{self.nonce}'; style-src 'nonce-{self.nonce}'; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'",
        )
        self.end_headers()
        self.wfile.write(body)


def _json(value: object) -> tuple[str, bytes]:
    """A value for the page's script."""
    return "application/json", json.dumps(value).encode()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    about = "Mark open questions in a browser."
    parser = argparse.ArgumentParser(prog="make read", description=about)
    options.common(parser)
    told = parser.parse_args(arguments)
    try:
        options.settle(told)
        folder = told.built / told.assignment
        form = rubric.form_cells(folder / "student" / f"{told.assignment}.ipynb")
        desk = Desk(told.out, told.assignment, rubric.questions(folder, form), form)
        made, address = server(desk)
    except (ValueError, WrongGradebook, OSError) as error:
        print(text.plain(str(error), keep="\n"), file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(f"{len(desk.hand_ins)} hand-ins to read, without names: open this in a browser here.")
    print(f"  {address}", flush=True)
    print("Marks are kept at once. Ctrl+C ends; then run make grade again for the table.")
    try:
        made.serve_forever()
    except KeyboardInterrupt:
        print(f"\nMarks are in {desk.out / 'gradebook.sqlite'} and {desk.out / 'hand_marks.csv'}.")
    finally:
        made.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
