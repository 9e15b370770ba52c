"""The reading page for open questions, in a real browser."""

from __future__ import annotations

import base64
import csv
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page, expect

from grading import excerpt, hand, reading, results, rubric
from grading.gradebook import Gradebook
from grading.marks import Mark, Outcome
from grading.results import Assignment
from grading.submissions import find
from tools import assignments, book

TINY = Assignment("tiny", {"q1": 2.0}, {"q2": 4.0})
ASKED = """<!-- BEGIN QUESTION -->

## Question 2: an experiment (4 points, marked by a person)

Does it help?

| points | for |
|---|---|
| 1 | a threshold before the result |
"""
CRITERIA = {"a threshold before the result": 1, "five seeds, with **intervals**": 2, "a limit": 1}
FORM = [
    new_markdown_cell("## Question 1: a function"),
    new_code_cell("..."),
    new_markdown_cell(ASKED),
    new_markdown_cell("_Type your answer here, replacing this text._"),
    new_code_cell("..."),
    new_markdown_cell("<!-- END QUESTION -->"),
    new_code_cell("grader.check_all()"),
]
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63"
        "f8cfc0f01f0005000201aef5c1510000000049454e44ae426082"
    )
).decode()
EVIL = "<script>window.evil = 1</script><img src=x onerror='window.evil = 1'>"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'><script>window.parent.evil = 1</script></svg>"


def answer(words: str, *cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The form with an answer to question 2."""
    filled = [*FORM[:3], new_markdown_cell(words), *cells, *FORM[5:]]
    return new_notebook(cells=[nbformat.from_dict(cell) for cell in filled])


def shown(kind: str, data: dict[str, str]) -> nbformat.NotebookNode:
    return new_output(kind, data=data)


@pytest.fixture
def desk(tmp_path: Path) -> reading.Desk:
    """Three hand-ins: an answer, a hostile one, and an empty form."""
    folder = tmp_path / "in"
    folder.mkdir()
    plot = new_code_cell(
        "print('five seeds')",
        outputs=[
            new_output("stream", text="\x1b[31mfive seeds\x1b[0m\n"),
            shown("display_data", {"image/png": PNG, "text/plain": "<Figure>"}),
        ],
    )
    hostile = new_code_cell(
        EVIL,
        outputs=[
            shown("display_data", {"text/html": EVIL, "text/plain": EVIL}),
            shown("display_data", {"text/html": EVIL}),
            shown("display_data", {"image/svg+xml": SVG}),
            shown("display_data", {"image/png": "' onerror='window.evil = 1"}),
            shown("display_data", {"application/javascript": "window.evil = 1"}),
            new_output("error", ename="Bad", evalue=EVIL, traceback=["x"]),
        ],
    )
    nbformat.write(answer("It helps: see below.", plot), folder / "anna secret.ipynb")
    nbformat.write(answer(EVIL, hostile), folder / "bob.ipynb")
    nbformat.write(new_notebook(cells=FORM), folder / "eve.ipynb")
    form = tmp_path / "form.ipynb"
    nbformat.write(new_notebook(cells=FORM), form)
    out = tmp_path / "out"
    out.mkdir()
    found = find(folder).submissions
    with Gradebook(out / "gradebook.sqlite", "tiny") as book:
        book.hand_in(found)
        for submission in found:
            mark = Mark(questions={"q1": [Outcome("x", 2.0, 2.0, False)]})
            book.keep(submission, "t", mark)
    lines = [{"points": float(p), "text": words} for words, p in CRITERIA.items()]
    by_hand = {"q2": {"title": "an experiment", "points": 4.0, "rubric": lines}}
    (tmp_path / "by_hand.json").write_text(json.dumps(by_hand))
    cells = rubric.form_cells(form)
    return reading.Desk(out, "tiny", rubric.questions(tmp_path, cells), cells)


@pytest.fixture
def address(desk: reading.Desk) -> Iterator[str]:
    server, address = reading.server(desk)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, loaded; whatever it complains of, or asks another host for, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    host = urlsplit(address).netloc
    page.on(
        "request", lambda r: r.url.startswith(("data:", f"http://{host}/")) or wrong.append(r.url)
    )
    page.goto(address)
    page.wait_for_selector("#answer :not(.note), #answer .note:has-text('nothing here')")
    yield page
    assert page.evaluate("window.evil") is None
    assert not [words for words in wrong if "ERR_INVALID_URL" not in words], wrong
    context.close()


def place(desk: reading.Desk, student: str) -> int:
    return [hand_in.student for hand_in in desk.hand_ins].index(student)


def open_at(page: Page, number: int) -> None:
    """Go to a hand-in with the keyboard."""
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(50)
    for _ in range(number):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
    expect(page.locator("#where")).to_have_text(f"hand-in {number + 1} of 3")
    expect(page.locator("#answer")).not_to_have_text("…")


def given(desk: reading.Desk) -> dict[str, tuple[float | None, str]]:
    with Gradebook(desk.out / "gradebook.sqlite", "tiny") as book:
        return {mark.student: (mark.points, mark.comment) for mark in book.by_hand()}


# ------------------------------------------------------------------------------------ the browser
def test_an_answer_is_shown_with_its_pictures_and_no_name(desk: reading.Desk, page: Page) -> None:
    open_at(page, place(desk, "anna secret"))
    answer = page.locator("#answer")
    assert answer.locator("pre.text").inner_text() == "It helps: see below."
    assert answer.locator("pre.code").inner_text() == "print('five seeds')"
    assert answer.locator("pre.output").inner_text().strip() == "five seeds"
    assert answer.locator("img").count() == 1
    expect(answer.locator("img")).to_have_js_property("naturalWidth", 1)
    assert "secret" not in page.content() and "Type your answer" not in answer.inner_text()
    page.locator("summary").click()
    assert "Does it help?" in page.locator("#asked-text").inner_text()


def test_nothing_of_a_student_is_run(desk: reading.Desk, page: Page) -> None:
    open_at(page, place(desk, "bob"))
    assert page.locator("#answer pre").first.inner_text() == EVIL
    assert page.locator("#answer script").count() == 0
    words = page.locator("#answer").inner_text()
    assert "not shown here: text/html" in words and "application/javascript" in words
    assert "damaged" in words, "a picture that is none"
    assert "not shown here (SVG)" in words and page.locator("#answer img").count() == 0
    page.wait_for_timeout(300)
    assert page.evaluate("window.evil") is None
    open_at(page, place(desk, "eve"))
    assert page.locator("#answer").inner_text() == "There is nothing here yet."


def test_marks_are_given_with_the_keyboard_and_kept(desk: reading.Desk, page: Page) -> None:
    open_at(page, 0)
    assert page.locator("#done").inner_text() == "0 of 3 marked"
    for key in ("1", "2", "2"):  # all of the first; two, then one of the second
        page.keyboard.press(key)
    assert page.locator("#points").input_value() == "2"
    page.keyboard.press("c")
    page.keyboard.type("where is the limit? 1a0u")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#done")).to_have_text("1 of 3 marked")
    student = desk.hand_ins[0].student
    points, comment = given(desk)[student]
    assert points == 2.0 and comment.splitlines() == [
        "1 of 1: a threshold before the result",
        "1 of 2: five seeds, with **intervals**",
        "0 of 1: a limit",
        "where is the limit? 1a0u",
    ]
    assert "hand-in 2 of 3" in page.locator("#where").inner_text()
    page.keyboard.press("a")
    page.keyboard.press("u")  # saves, and goes to the next without a mark
    expect(page.locator("#done")).to_have_text("2 of 3 marked")
    page.reload()
    expect(page.locator("#where")).to_have_text("hand-in 3 of 3")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#points")).to_have_value("2")
    assert page.locator("#comment").input_value() == "where is the limit? 1a0u"
    pressed = page.locator("#rubric button[aria-pressed='true']").all_inner_texts()
    assert pressed == ["1", "1", "0"]


def test_marks_are_given_with_the_mouse_and_wrong_ones_refused(
    desk: reading.Desk, page: Page
) -> None:
    open_at(page, 2)
    page.get_by_role("button", name="Save, next").click()
    assert "Give 0 to 4 points first" in page.locator("#state").inner_text()
    page.locator("#rubric fieldset").nth(1).get_by_role("button", name="2").click()
    page.locator("#points").fill("9")
    page.get_by_role("button", name="Save, next").click()
    assert "Give 0 to 4 points first" in page.locator("#state").inner_text()
    assert not given(desk)
    page.locator("#points").fill("2.5")
    page.get_by_role("button", name="Save, next").click()
    expect(page.locator("#state")).to_contain_text("last one")
    assert given(desk)[desk.hand_ins[2].student][0] == 2.5


def test_points_of_any_size_and_comments_alone_are_kept(desk: reading.Desk, page: Page) -> None:
    open_at(page, 0)
    page.locator("#rubric button").nth(1).focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.textContent") == "1", "the focus stays"
    assert page.locator("#rubric button[aria-pressed='true']").count() == 1
    page.locator("#points").fill("2.25")
    assert page.locator("#rubric button[aria-pressed='true']").count() == 0
    page.locator("#comment").fill("a quarter")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#where")).to_have_text("hand-in 2 of 3")
    assert given(desk)[desk.hand_ins[0].student] == (2.25, "a quarter"), "and no «0 of 1»"
    page.locator("#comment").fill("see me")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#where")).to_have_text("hand-in 3 of 3")
    assert given(desk)[desk.hand_ins[1].student] == (None, "see me")
    expect(page.locator("#done")).to_have_text("1 of 3 marked")
    page.locator("#comment").fill("x")
    page.locator("#comment").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(page.locator("#where")).to_have_text("hand-in 2 of 3")
    assert len(given(desk)) == 2 and page.locator("#comment").input_value() == "see me"


def test_the_page_can_be_used_by_everybody(page: Page) -> None:
    for name in ("question", "Points", "Comment, which the student reads"):
        assert page.get_by_label(name).first.is_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


# -------------------------------------------------------------------------------------- the server
def asked(
    address: str, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, bytes]:
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_only_the_page_itself_gets_answers(desk: reading.Desk, address: str) -> None:
    url = urlsplit(address)
    assert url.hostname == "127.0.0.1" and len(url.path) > 30
    assert asked(address, "GET", url.path)[0] == 200
    state = url.path + "state"
    mark = json.dumps({"number": 0, "question": "q2", "points": 4, "given": [], "comment": ""})
    for method, path, headers in (
        ("GET", "/", {}),
        ("GET", "/state", {}),
        ("GET", "/wrong/state", {}),
        ("GET", "/%C3%A9/state", {}),
        ("GET", state, {"Host": f"evil.example:{url.port}"}),
        ("POST", url.path + "mark", {"Origin": "http://evil.example"}),
    ):
        assert asked(address, method, path, mark, **headers)[0] == 404, path
    assert not given(desk)
    assert asked(address, "GET", state)[0] == 200
    for path in ("nothing", "answer?number=7&question=q2", "answer?number=x&question=q2", "answer"):
        assert asked(address, "GET", url.path + path)[0] == 400, path
    wrong = [{"points": 5}, {"points": -1}, {"points": "x"}, {"points": None}, {"number": -1}]
    for change in [*wrong, {"given": [1]}, {"given": [0, 0, 0]}]:
        body = json.dumps({**json.loads(mark), **change})
        assert asked(address, "POST", url.path + "mark", body)[0] == 400, change
    assert asked(address, "POST", url.path + "mark", "[")[0] == 400
    assert not given(desk)
    assert asked(address, "POST", url.path + "mark", mark)[0] == 200
    assert list(given(desk).values()) == [(4.0, "")]


def test_the_command_says_where_to_look_and_ends_when_told(
    desk: reading.Desk, tmp_path: Path
) -> None:
    (tmp_path / "tiny" / "autograder" / "tests").mkdir(parents=True)
    (tmp_path / "by_hand.json").rename(tmp_path / "tiny" / "by_hand.json")
    command = [sys.executable, "-m", "grading.reading", "tiny", "--built", str(tmp_path)]
    run = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=book.ROOT, capture_output=True, text=True
    )
    assert run.returncode == 2 and "run `make grade` first" in run.stderr
    command += ["--out", str(desk.out)]
    server = subprocess.Popen(command, cwd=book.ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert "3 hand-ins" in server.stdout.readline()
    address = server.stdout.readline().strip()
    assert asked(address, "GET", urlsplit(address).path)[0] == 200
    server.send_signal(signal.SIGINT)
    said, _ = server.communicate(timeout=30)
    assert server.returncode == 0 and "hand_marks.csv" in said


def test_the_table_and_the_file_have_what_was_marked(desk: reading.Desk) -> None:
    desk.mark(0, "q2", 3.0, [1, 2, 0], "=1+1\nno limit")
    (row,) = csv.DictReader((desk.out / "hand_marks.csv").open(encoding="utf-8"))
    first = desk.hand_ins[0]
    assert (row["student"], row["points"]) == (first.student, "3")
    assert row["hand_in"] == hand.sign(first.digest)
    with Gradebook(desk.out / "gradebook.sqlite", "tiny") as kept:
        there = find(first.path.parent).submissions
        rows = {r.student: r for r in results.collect(kept, TINY, "t", "latest", there, {}, {})}
        assert rows[first.student].total(TINY) == 5.0
        path = desk.out / "hand_marks.csv"
        hold, old = hand.read(path, kept, TINY.tested, TINY.manual, lambda name: name)
        assert len(hold) == 1 and not old, "what the page writes is what HAND= takes"


def test_the_file_of_marks_comes_back_as_it_was(desk: reading.Desk) -> None:
    desk.mark(0, "q2", 3.0, [1, 2, 0], "=1+1\nno limit")
    desk.mark(1, "q2", 7 / 3, [], "=1+1\n-2")
    desk.mark(2, "q2", None, [], "a comment")
    path = desk.out / "hand_marks.csv"
    for change in (("\n", "\n"), ("\r\n", "\n"), ("\n", "\r\n")):  # as spreadsheets save it
        path.write_bytes(path.read_bytes().replace(*[ends.encode() for ends in change]))
        with Gradebook(desk.out / "gradebook.sqlite", "tiny") as kept:
            hold, old = hand.read(path, kept, TINY.tested, TINY.manual, lambda name: name)
            assert (len(hold), kept.give(hold), old) == (3, 0, [])
    assert all(row["comment"][0] != "=" for row in csv.DictReader(path.open(encoding="utf-8")))
    assert desk.state()["given"]["q2"][0]["given"] == [1, 2, 0]


def test_a_file_that_changed_or_is_broken_is_said_to_be(desk: reading.Desk) -> None:
    path = desk.hand_ins[0].path
    path.write_text(path.read_text() + " ")
    (block,) = desk.read(0, "q2")
    assert "changed since it was graded" in block["text"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"[" * 200_000, b"\xff\xfe", b"[1, 2]", b'{"cells": [1, [], {}, null]}', b"PK\3\4"],
    ids=repr,
)
def test_whatever_a_file_holds_there_is_something_to_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ipynb").write_bytes(content)
    blocks = excerpt.of(tmp_path / "x.ipynb", "q2", [])
    assert blocks and all(block["kind"] == "note" for block in blocks)


def test_a_large_or_bottomless_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.ipynb", b"[" + b"{}," * 20_000_000 + b"{}]")
    (block,) = excerpt.of(path, "q2", [])
    assert block["kind"] == "note"
    many = [new_code_cell("x" * 50_000) for _ in range(500)]
    path = tmp_path / "x.ipynb"
    nbformat.write(new_notebook(cells=many), path)
    blocks = excerpt.of(path, "q2", [])
    assert len(blocks) == excerpt.BLOCKS + 1 and "There is more" in blocks[-1]["text"]
    assert all(len(block["text"]) < excerpt.CHARACTERS + 100 for block in blocks)
    (tmp_path / "link.ipynb").symlink_to("/etc/passwd")
    (block,) = excerpt.of(tmp_path / "link.ipynb", "q2", [])
    assert "can't be shown" in block["text"]


def test_cells_count_up_to_the_next_question_and_without_a_heading_all(tmp_path: Path) -> None:
    cells = [new_markdown_cell("## Question 2: x"), new_code_cell("mine"), FORM[0]]
    for heading, expected in ((cells[:1], ["mine"]), ([], ["mine", "other"])):
        made = new_notebook(cells=[*heading, *cells[1:], new_code_cell("other")])
        nbformat.write(made, tmp_path / "x.ipynb")
        blocks = excerpt.of(tmp_path / "x.ipynb", "q2", [FORM[0].source])
        assert [block["text"] for block in blocks if block["kind"] == "code"] == expected


# -------------------------------------------------------------------------------------- the rubric
@pytest.mark.parametrize("master", assignments.masters([]), ids=lambda path: path.stem)
def test_the_rubric_of_every_assignment_is_found(master: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(master, 4)
    (tmp_path / "by_hand.json").write_text(json.dumps(assignments.by_hand(notebook)))
    found = rubric.questions(tmp_path, [cell.source for cell in notebook.cells])
    assert {q.name: q.points for q in found} == rubric.manual(tmp_path) and found
    for question in found:
        assert sum(c.points for c in question.criteria) == question.points
        assert re.match(r"## Question \d+", question.text) and "|" not in question.text
        given = [c.points / 2 for c in question.criteria]
        said = rubric.comment(question.criteria, given, "a\nb")
        assert rubric.taken_apart(question.criteria, said) == (given, "a\nb")
        assert rubric.taken_apart(question.criteria, "by hand")[1] == "by hand"
