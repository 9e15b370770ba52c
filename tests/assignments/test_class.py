"""A class's hand-ins: all of them found, with the roster, in and out of the learning platforms."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest

from grading import bubblewrap, exports, options, plan, roster, runner, submissions, text, uploads
from grading.limits import Limits
from grading.marks import Mark, Outcome
from grading.results import Assignment, Result, absent
from grading.roster import Roster
from tests.assignments.test_hostile import GOOD, PYTHON, TESTS, notebook, zipped
from tools import book

CNN = Assignment("cnn", {"q1": 3.0}, {"q2": 4.0})


def put(folder: Path, *names: str | bytes, content: str = "{}") -> Path:
    """Files, each with other bytes, in a folder."""
    for name in names:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(content + " " * len(os.listdir(folder)))
    return folder


def students(found: submissions.HandedIn) -> list[str]:
    return [submission.student for submission in found.submissions]


# ------------------------------------------------------------------------------ what is handed in
def test_everything_has_a_row_or_a_line(tmp_path: Path) -> None:
    stray = ["desktop.ini", "Thumbs.db", ".DS_Store", "~$a.docx", "._a.ipynb", "__MACOSX/a.ipynb"]
    put(tmp_path, "anna.ipynb", "_bob.ipynb", "Zoe.IPYNB", "yan.zip", "dan.ipynb.txt", *stray)
    put(tmp_path, "eve/hw.ipynb", "eve/.ipynb_checkpoints/hw-checkpoint.ipynb", "eve/plot.png")
    put(tmp_path, "fay/report.pdf", "gus.pdf", "gus.ipynb", "hal.docx")
    (tmp_path / "ivy").mkdir()
    (tmp_path / "jon.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "kim.ipynb")
    found = submissions.find(tmp_path)
    assert students(found) == sorted(
        ["Zoe", "_bob", "anna", "dan", "eve", "fay", "gus", "hal", "ivy", "jon", "kim", "yan"]
    )
    assert not found.unclear
    problems = {s.student: s.problem for s in found.submissions if s.problem}
    assert "an empty folder" in problems.pop("ivy")
    assert "a link" in problems.pop("jon") and "a pipe" in problems.pop("kim")
    assert not problems, "what isn't a notebook is refused by what reads it, in its own words"
    skipped = {name for name, _ in found.skipped}
    assert skipped == {
        *("desktop.ini", "Thumbs.db", ".DS_Store", "~$a.docx", "._a.ipynb", "__MACOSX"),
        *("eve/.ipynb_checkpoints", "eve/plot.png", "gus.pdf"),
    }
    by_name = {s.student: s for s in found.submissions}
    assert by_name["gus"].path.name == "gus.ipynb" and by_name["eve"].path.name == "hw.ipynb"


def test_what_we_can_not_read_is_not_the_students_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "anna/x.ipynb", "bob.ipynb")
    real = os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "anna":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    anna, bob = submissions.find(tmp_path).submissions
    assert (anna.digest, anna.problem) == ("", "anna can't be read (Permission denied)")
    kept: list[str] = []
    monkeypatch.setattr(runner, "mark", lambda *_: Mark())
    failed = runner.run([anna, bob], [], Limits(), 1, lambda s, _: kept.append(s.student))
    assert kept == ["bob"] and "anna can't be read" in failed["anna"]


def test_a_folder_of_many_files_takes_a_few_lines(tmp_path: Path) -> None:
    put(tmp_path, "anna/x.ipynb", *[f"anna/{i}.png" for i in range(50)])
    found = submissions.find(tmp_path)
    assert students(found) == ["anna"]
    assert [name for name, _ in found.skipped[4:]] == ["anna/12.png", "45 more files of anna"]


def test_a_folder_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder"):
        submissions.find(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="empty"):
        submissions.find(tmp_path)
    put(tmp_path, "roster.csv", ".hidden")
    with pytest.raises(ValueError, match="empty"):
        submissions.find(tmp_path, [tmp_path / "roster.csv"])


def test_a_table_is_nobodys_unless_a_platform_says_whose(tmp_path: Path) -> None:
    put(tmp_path, "marks.csv", "anna.ipynb", "limei_125_3456_data.csv")
    found = submissions.find(tmp_path)
    assert students(found) == ["anna", "limei_125"]
    assert found.skipped == [("marks.csv", "a table: if it is yours, name it by ROSTER or HAND")]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["a.ipynb", "a.zip"], "Two files for a: a.ipynb, a.zip"),
        (["a/x.ipynb", "a/y.ipynb"], "Two files for a: a/x.ipynb, a/y.ipynb"),
        (["a/x.ipynb", "a.ipynb"], "Two files for a: a.ipynb, a/x.ipynb|a/x.ipynb, a.ipynb"),
        (["Anna.ipynb", "anna.ipynb"], "Anna and anna differ in capital letters"),
        (["s_12_345_a.ipynb", "s_late_12_678_a-1.ipynb"], "Two files for s_12: s_12_345"),
        (["(possible).ipynb"], r"no student can be called \(possible\)"),
        ([b"\xc0.ipynb", "\\xc0.ipynb"], r"Two files for \\xc0"),
        (
            [unicodedata.normalize(form, "José.ipynb") for form in ("NFC", "NFD")],
            r"Two files for José: .*'Jos\\xe9.ipynb'.*'Jose\\u0301.ipynb'|Jose.*Jos\\xe9",
        ),
    ],
)
def test_what_is_not_clear_is_named(tmp_path: Path, names: list, complaint: str) -> None:
    put(tmp_path, "zoe.ipynb", *names)
    planned = plan.make(submissions.find(tmp_path), None)
    with pytest.raises(plan.Unclear, match=f"Nobody was marked.*\n.*({complaint})"):
        planned.check()
    assert len(planned.unclear) == 1 and "NOT CLEAR" in "\n".join(planned.lines([]))


def test_odd_names_are_shown_escaped_and_have_pages_of_their_own(tmp_path: Path) -> None:
    names = ["a:b", "a;b", "n" * 245, "x\x1b[2Jzoe: graded: 100", "‮evil", "..x", "con ", "é"]
    put(tmp_path, *[f"{name}.ipynb" for name in names], b"\xc0\xee.ipynb")
    found = submissions.find(tmp_path)
    assert not found.unclear and len(found.submissions) == len(names)  # `..x` is hidden
    shown = students(found)
    assert "\\xc0\\xee" in shown and "x\\x1b[2Jzoe: graded: 100" in shown
    pages = [text.file_name(student) for student in shown]
    assert len({page.lower() for page in pages}) == len(pages)
    for page in pages:
        (tmp_path / page).write_text("")
        assert "/" not in page and page.isprintable()


def test_names_compare_as_people_read_them(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "José Núñez.ipynb"))
    planned = plan.make(submissions.find(tmp_path), None)
    assert students(planned.handed_in) == [unicodedata.normalize("NFC", "José Núñez")]
    for form in ("NFC", "NFD"):
        assert planned.who(unicodedata.normalize(form, "josé núñez")) == "José Núñez"
    with pytest.raises(ValueError, match="Did you mean José Núñez"):
        planned.who("Jose Nunez")


# --------------------------------------------------------------------------------- the platforms
def owner(entry: str) -> uploads.Owner:
    return uploads.owner(entry, submissions.NOTEBOOK.sub("", entry), {})


def test_whose_a_platforms_file_is() -> None:
    canvas = owner("smithanna_LATE_123_45678_cnn-2.ipynb")
    assert (canvas.student, canvas.platform, canvas.late) == ("smithanna_123", "canvas", True)
    assert owner("smithanna_123_99999_other.ipynb").student == canvas.student, "handed in anew"
    moodle = owner("Anna von Smith_123456_assignsubmission_file_")
    assert (moodle.student, moodle.platform) == ("Anna von Smith_123456", "moodle")
    assert owner("Anna von Smith_123456_assignsubmission_file_cnn.ipynb") == moodle
    assert owner("Anna von Smith_123456_assignsubmission_onlinetext").student == moodle.student
    for name in ("anna", "hw_3_1_anna.ipynb", "anna_smith.ipynb"):
        assert owner(name).platform == ""


def test_an_online_text_beside_the_file_is_skipped(tmp_path: Path) -> None:
    put(tmp_path, "A_1_assignsubmission_file_/x.ipynb")
    put(tmp_path, "A_1_assignsubmission_onlinetext_/onlinetext.html")
    found = submissions.find(tmp_path)
    assert students(found) == ["A_1"] and found.submissions[0].entry.endswith("file_")
    assert [name for name, _ in found.skipped] == [
        "A_1_assignsubmission_onlinetext_/onlinetext.html"
    ]


def test_gradescopes_export(tmp_path: Path) -> None:
    put(tmp_path, "submission_11/x.ipynb", "submission_12/x.ipynb")
    (tmp_path / "submission_metadata.yml").write_text(
        "submission_11:\n  :submitters:\n  - :name: Anna Smith\n    :sid: '007'\n"
        "    :email: anna@x.edu\n  :created_at: 2026-01-01 10:00:00 Z\n"
        "submission_12:\n  :submitters:\n  - :name: Bob\n    :email: bob@x.edu\n"
    )
    found = submissions.find(tmp_path)
    assert students(found) == ["Anna Smith_007", "Bob_bob@x.edu"]
    (tmp_path / "submission_metadata.yml").write_text("- [")
    with pytest.raises(ValueError, match="submission_metadata.yml can't be read"):
        submissions.find(tmp_path)


# ------------------------------------------------------------------------------------- the roster
def class_list(tmp_path: Path, source: str, name: str = "roster.csv") -> Roster:
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    return roster.read(path)


CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,cnn (98),foundations (97),Final Score
,,,,,Manual Posting,,
    Points Possible,,,,,42,40,(read only)
"Smith, Anna",123,m007,anna@x.edu,A,,31,
"Núñez, José",124,m008,jose@x.edu,A,,,
"Li, Mei",125,m009,mei@x.edu,A,,,
"Student, Test",126,,,A,,,
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (grade)
Participant 11,Anna Smith,anna@x.edu,Submitted,,7.00,-
Participant 12,Anna Smith,anna2@x.edu,Submitted,,7.00,-
Participant 13,Mei Li,mei@x.edu,No submission,,7.00,-
"""
BLIND = """\
Identifier,Status,Grade,Maximum grade,Last modified (grade),Feedback comments
Participant 1002,Submitted,,7.00,-,"<p>good</p>
<p>- but</p>"
"""
NAMES_APART = """\
LastName,FirstName,ID,SIS Login ID,Section,cnn (98)
    Points Possible,,,,,42
Li,Mei,125,limei,A,
"""


def test_a_roster_finds_students_by_any_of_their_names(tmp_path: Path) -> None:
    names = {
        "Anna Smith": 0,
        "smith_anna": 0,
        "007": 0,
        "anna@x.edu": 0,
        "anna": 0,
        unicodedata.normalize("NFD", "José Núñez"): 1,
        "Nunez": None,
    }
    people = class_list(
        tmp_path, 'Name;ID;E-Mail\n"Smith, Anna";007;anna@x.edu\nJosé Núñez;8;j.n@x.edu\n\n'
    )
    assert not people.platform and len(people.people) == 2
    for name, line in names.items():
        found = people.match(uploads.Owner(name, (name,)))
        assert [person.line for person in found] == ([] if line is None else [line]), name


def test_the_platforms_own_lists_are_recognised(tmp_path: Path) -> None:
    canvas = class_list(tmp_path, CANVAS)
    assert canvas.platform == "canvas" and len(canvas.people) == 3, "nobody is called Points"
    (mei,) = canvas.match(owner("limei_125_3456_x.ipynb"))
    assert (mei.name, mei.id, mei.email) == ("Li, Mei", "m009", "mei@x.edu")
    moodle = class_list(tmp_path, MOODLE)
    assert moodle.platform == "moodle"
    (anna,) = moodle.match(owner("Anna Smith_12_assignsubmission_file_"))
    assert anna.email == "anna2@x.edu", "two of the same name are told apart by the number"
    export = class_list(
        tmp_path,
        "First name,Last name,ID number,Email address,Assignment: cnn (Real)\nAnna,Smith,7,a@x,-\n",
    )
    assert export.platform == "moodle" and export.people[0].name == "Anna Smith"


def test_names_apart_and_no_names_are_recognised(tmp_path: Path) -> None:
    canvas = class_list(tmp_path, NAMES_APART)
    assert canvas.platform == "canvas" and canvas.people[0].name == "Mei Li"
    put(tmp_path / "canvas", "limei_125_3456_cnn.ipynb")
    table, _ = filled(canvas, tmp_path / "canvas", tmp_path / "out")
    assert table[0][:3] == ["LastName", "FirstName", "ID"] and table[2][-1] == "2.5"
    moodle = class_list(tmp_path, BLIND)
    assert moodle.platform == "moodle"
    put(tmp_path / "moodle", "Participant_1002_assignsubmission_file_/x.ipynb")
    table, pages = filled(moodle, tmp_path / "moodle", tmp_path / "out2")
    assert table[1][2] == "2.5" and pages == [
        "Participant_1002_assignsubmission_file_/feedback.html"
    ]
    german = class_list(tmp_path, 'ID,"Vollständiger Name",Bewertung\nTeilnehmer/in1002,Anna,\n')
    said = exports.destination(german, 0)
    assert "no list of Canvas's or Moodle's" in said and "English" in said


def test_a_platforms_number_is_not_the_schools(tmp_path: Path) -> None:
    """Two kinds of numbers, and each student has the other one's."""
    crossed = (
        "Student,ID,SIS User ID,Section\nLi,125,999,A\nWu,126,125,A\n",
        "Identifier,Full name,ID number,Grade,Last modified (grade)\n"
        "Participant 125,Li,999,,-\nParticipant 126,Wu,125,,-\n",
    )
    for source, form in zip(crossed, ("x_{}_3456_cnn.ipynb", "X_{}_assignsubmission_file_")):
        people = class_list(tmp_path, source)
        found = {n: [p.name for p in people.match(owner(form.format(n)))] for n in (125, 126, 999)}
        assert found == {125: ["Li"], 126: ["Wu"], 999: []}


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has the columns 'a', 'b'"),
        ("name\n", "lists nobody"),
        ("name,id\nA,1\nB,1\n", "lines 2 and 3: the same person twice"),
        ("name,id\n,\nA,1\n,x\n.,\n", "line 5: neither a name"),
    ],
)
def test_a_roster_that_is_none_says_so(tmp_path: Path, source: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"roster.csv.*{complaint}"):
        class_list(tmp_path, source)
    (tmp_path / "old.csv").write_bytes("name\nJosé\n".encode("cp1252"))
    with pytest.raises(ValueError, match="old.csv, line 2: .*CSV UTF-8"):
        roster.read(tmp_path / "old.csv")


def test_a_line_that_only_excel_reads_is_no_header(tmp_path: Path) -> None:
    (anna,) = class_list(tmp_path, "sep=;\r\nname;id\r\nAnna;1\r\n").people
    assert (anna.name, anna.id) == ("Anna", "1")


def test_the_plan_brings_both_together(tmp_path: Path) -> None:
    people = class_list(tmp_path, "name,id\nAnna Smith,1\nBob,2\nEve,3\n")
    folder = put(tmp_path / "in", "in.txt").parent / "week 4"
    put(folder, "anna smith.ipynb", "2.ipynb", "stranger.ipynb")
    planned = plan.make(submissions.find(folder), people)
    assert planned.unknown == ["stranger"] and [p.name for p in planned.absent] == ["Eve"]
    assert planned.who("Bob") == "2" and planned.who("1") == "anna smith"
    said = "\n".join(planned.lines(planned.handed_in.submissions[:1]))
    for words in (
        "3 hand-ins, 1 to be marked",
        "2 (Bob): 2.ipynb: to be marked",
        "stranger: stranger.ipynb: marked",
        "not in roster.csv: stranger",
        "nothing handed in: Eve",
    ):
        assert words in said
    put(folder, "bob.ipynb")
    with pytest.raises(plan.Unclear, match="2 and bob are both Bob .*line 3"):
        plan.make(submissions.find(folder), people).check()


# ------------------------------------------------------------------------------------ the way out
def filled(people: Roster, folder: Path, out: Path, column: str = "") -> tuple[list, list[str]]:
    """The platform's table and the names in the zip, of a class in which all get 2.5 points."""
    planned = plan.make(submissions.find(folder), people)
    mark = Mark(questions={"q1": [Outcome("x", 3.0, 2.5, False)]})
    rows = [
        Result(s.student, "graded", mark=mark, person=planned.people.get(s.student), submission=s)
        for s in planned.handed_in.submissions
    ]
    rows += absent(planned.absent, rows)
    (out / "feedback").mkdir(parents=True)
    for row in rows:
        if row.mark:
            (out / "feedback" / text.file_name(row.student)).write_text(row.student)
    place = exports.column(people, "cnn", column)
    table, pages = exports.write(out, people.platform, people, place, rows, CNN)
    with zipfile.ZipFile(pages) as archive, table.open(encoding="utf-8") as file:
        assert archive.testzip() is None
        return list(csv.reader(file)), archive.namelist()


def test_out_to_canvas(tmp_path: Path) -> None:
    names = ["smithanna_123_4567_cnn.ipynb", "nunezjose_late_124_4568_cnn.ipynb"]
    put(tmp_path / "in", *names)
    table, pages = filled(class_list(tmp_path, CANVAS), tmp_path / "in", tmp_path / "out")
    assert table == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "cnn (98)"],
        ["", "", "", "", "", "Manual Posting"],
        ["    Points Possible", "", "", "", "", "42"],
        ["Smith, Anna", "123", "m007", "anna@x.edu", "A", "2.5"],
        ["Núñez, José", "124", "m008", "jose@x.edu", "A", "2.5"],
        ["Li, Mei", "125", "m009", "mei@x.edu", "A", ""],
        ["Student, Test", "126", "", "", "A", ""],
    ]
    assert sorted(pages) == sorted(name.replace(".ipynb", ".html") for name in names)


def test_out_to_moodle(tmp_path: Path) -> None:
    put(tmp_path / "in", "Anna Smith_12_assignsubmission_file_/x.ipynb")
    people = class_list(tmp_path, MOODLE)
    table, pages = filled(people, tmp_path / "in", tmp_path / "out")
    assert [row[:2] + row[4:6] for row in table] == [
        ["Identifier", "Full name", "Grade", "Maximum Grade"],
        ["Participant 11", "Anna Smith", "", "7.00"],
        ["Participant 12", "Anna Smith", "2.5", "7.00"],
        ["Participant 13", "Mei Li", "", "7.00"],
    ]
    assert pages == ["Anna Smith_12_assignsubmission_file_/feedback.html"]
    assert not exports.warnings(people, [], CNN)
    (said,) = exports.warnings(class_list(tmp_path, MOODLE.replace("7.00", "100.00")), [], CNN)
    assert "maximum grade is 100.00, this assignment has 7 points" in said


def test_what_a_platform_has_written_goes_back_as_it_was(tmp_path: Path) -> None:
    people = class_list(tmp_path, BLIND)
    (tmp_path / "out" / "feedback").mkdir(parents=True)
    table, _ = exports.write(tmp_path / "out", "moodle", people, 2, [], CNN)
    with table.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [people.header, *people.rows]
    assert "'-" not in table.read_text()


def test_which_column_gets_the_points(tmp_path: Path) -> None:
    people = class_list(tmp_path, CANVAS)
    assert exports.column(people, "cnn", "") == 5
    assert exports.column(people, "attention", "") == len(people.header), "a new one"
    assert exports.column(people, "attention", "Foundations (97)") == 6
    with pytest.raises(ValueError, match="no column fits 'week 9'"):
        exports.column(people, "cnn", "week 9")
    two = class_list(tmp_path, CANVAS.replace("foundations (97)", "CNN (97)"))
    with pytest.raises(ValueError, match="several columns fit 'cnn'.*COLUMN="):
        exports.column(two, "cnn", "")
    assert "column 'foundations (97)'" in exports.destination(people, 6)


def test_points_never_go_into_a_column_of_something_else(tmp_path: Path) -> None:
    """Neither into another assignment's, nor into one that the platform computes."""
    quiz = class_list(tmp_path, CANVAS.replace("cnn (98)", "cnn Quiz (98)"))
    computed = class_list(tmp_path, CANVAS.replace("Final Score", "cnn").replace("cnn (98)", "x"))
    for people in (quiz, computed):
        place = exports.column(people, "cnn", "")
        assert place == len(people.header) and "a new column" in exports.destination(people, place)
    with pytest.raises(ValueError, match="no column fits 'cnn'"):
        exports.column(computed, "cnn", "cnn")
    export = class_list(
        tmp_path,
        "First name,Last name,Email address,Assignment: cnn (Real),Assignment: cnn (Letter)\n"
        "Anna,Smith,a@x,-,-\n",
    )
    assert exports.column(export, "cnn", "") == 3


# ----------------------------------------------------------------------------------------- make
ODD = """it's "week 4" (1) $HOME $$(touch made) `touch made`; touch made & é"""


def test_values_of_make_arrive_whole_and_no_shell_reads_them(tmp_path: Path) -> None:
    echo = tmp_path / "echo.py"
    echo.write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    names = ["SUBMISSIONS", "OUT", "HAND", "ROSTER", "STUDENT", "COLUMN", "ASSIGNMENT", "KEEP"]
    names += ["DRY", "AGAIN", "SECONDS", "MEMORY", "EXPORT", "FEEDBACK"]
    for target, known in {"grade": names, "read": ["ASSIGNMENT", "OUT"]}.items():
        command = ["make", target, f"GRADING={sys.executable} -I tools/environment.py {echo}"]
        command += ["CLEAN=", "SETUP=true", *[f"{name}={ODD}{name}" for name in names]]
        run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        got = dict(x.removeprefix("--").split("=", 1) for x in json.loads(run.stdout)[2:])
        got.pop("workers", None)
        assert got == {name.lower(): ODD + name for name in known}
    assert not (book.ROOT / "made").exists()


# ------------------------------------------------------------------------------ a class, for real
@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small assignment and a dozen hand-ins, some of them broken or hostile."""
    folder = tmp_path_factory.mktemp("class")
    tests = folder / "built" / "tiny" / "autograder" / "tests"
    tests.mkdir(parents=True)
    for name, source in TESTS.items():
        (tests / f"{name}.py").write_text(source)
    (folder / "built" / "tiny" / "by_hand.json").write_text(json.dumps({"q3": {"points": 3}}))
    good, slow = notebook(GOOD), notebook([*GOOD, "while True: pass"])
    handed_in = folder / "week 4"
    put(handed_in, "anna.ipynb", "_bob.ipynb", "m007.ipynb", "a:b.ipynb", "a;b.ipynb", content=good)
    put(handed_in, "Zoe_12_assignsubmission_file_/x.ipynb", "n" * 245 + ".ipynb", content=good)
    put(handed_in, b"\xc0\xee.ipynb", "limei_late_125_3456_x.ipynb", content=good)
    put(handed_in, "slow.ipynb", content=slow)
    put(handed_in, "broken.ipynb", content="[")
    put(handed_in, "broken.zip", "Thumbs.db", content="PK\x03\x04 broken")
    shutil.move(handed_in / "broken.zip", handed_in / "archive.zip")
    lone = notebook([*GOOD, r"raise ValueError('\ud83d' + chr(27) + '[2J')"])
    put(handed_in, "lone.ipynb", content=lone)
    (handed_in / "export.zip").write_bytes(zipped({"a/x.ipynb": good, "__MACOSX/._x": "x"}))
    (handed_in / "unreadable.ipynb").symlink_to("/etc/shadow")
    (folder / "roster.csv").write_text("name,id\nAnna,1\nMax Mei,m007\nNobody,9\n")
    return folder


def grade(folder: Path, *more: str, out: str = "out") -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "grading", "tiny", folder / "week 4", "--built", folder / "built"]
    command += ["--out", folder / out, *more]
    run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode in (0, 2, 3), run.stderr[-3000:]
    return run


def table(folder: Path, out: str = "out") -> dict[str, dict[str, str]]:
    source = (folder / out / "grades.csv").read_text(encoding="utf-8")
    return {row["student"]: row for row in csv.DictReader(io.StringIO(source))}


@pytest.fixture(scope="module")
def graded(tiny: Path) -> tuple[Path, str]:
    dry = grade(tiny, "--dry=1", "--roster", str(tiny / "roster.csv"))
    assert dry.returncode == 0 and "15 hand-ins, 15 to be marked" in dry.stdout
    assert "nothing handed in: Nobody" in dry.stdout and "skipped: Thumbs.db" in dry.stdout
    assert "roster.csv is no list of Canvas's or Moodle's" in dry.stdout
    assert not (tiny / "out").exists(), "a dry run leaves nothing behind"
    run = grade(tiny, "--roster", str(tiny / "roster.csv"), "--seconds", "20", "--memory", "1000")
    assert run.returncode == 0, run.stderr[-3000:]
    return tiny, run.stdout


def test_a_mixed_class_runs_unattended(graded: tuple[Path, str]) -> None:
    folder, said = graded
    rows = table(folder)
    assert len(rows) == 1 + 15 + 1, "a row each, the points that are possible, and Nobody"
    full = ["anna", "_bob", "m007", "a:b", "a;b", "Zoe_12", "n" * 245, "\\xc0\\xee", "limei_125"]
    for name in [*full, "lone", "export", "slow"]:
        assert (rows[name]["q1"], rows[name]["q2"]) == ("2.0", "2.0"), name
        assert rows[name]["total is"] == "provisional: q3 not marked yet"
    assert rows["slow"]["status"] == "stopped" and rows["limei_125"]["late"] == "late"
    for name in ("broken", "archive", "unreadable"):
        assert (rows[name]["status"], rows[name]["total"]) == ("refused", "0.0"), name
    assert rows["m007"]["name"] == "Max Mei" and rows["Nobody"]["status"] == "nothing handed in"
    assert "s each" in said and "MB of memory at most" in said
    assert not set(said) & set("\x1b\ud83d")
    pages = list((folder / "out" / "feedback").iterdir())
    assert len(pages) == 15 and all("\x1b" not in p.read_text(encoding="utf-8") for p in pages)
    assert "<svg" in (folder / "out" / "overview.html").read_text(encoding="utf-8")


def test_marks_go_back_to_the_platform(graded: tuple[Path, str]) -> None:
    folder, _ = graded
    (folder / "canvas.csv").write_text(CANVAS.replace("anna@", "as@"), encoding="utf-8")
    more = ["--seconds", "20", "--memory", "1000", "--roster", str(folder / "canvas.csv")]
    run = grade(folder, *more, "--export", "canvas")
    assert run.returncode == 0 and "0 of 15 submissions marked" in run.stdout
    assert "12 of the totals in it are provisional" in run.stdout
    lines = list(csv.reader((folder / "out" / "canvas.csv").open(encoding="utf-8")))
    points = {row[1]: row[-1] for row in lines}
    assert "canvas.csv is Canvas's: points go into a new column" in run.stdout
    assert lines[0][-1] == "tiny" and lines[2][-1] == "7"
    assert (points["125"], points["123"], points["124"]) == ("4", "4", ""), "by their numbers"
    with zipfile.ZipFile(folder / "out" / "canvas-feedback.zip") as archive:
        assert archive.namelist() == ["limei_late_125_3456_x.html"]
        assert (
            "<strong>4</strong> of 7 (provisional" in archive.read(archive.namelist()[0]).decode()
        )
    wrong = grade(folder, *more, "--export", "moodle")
    assert wrong.returncode == 2 and "the grading worksheet as Moodle exports it" in wrong.stderr


def test_only_what_is_asked_for_is_marked_again(graded: tuple[Path, str]) -> None:
    folder, _ = graded
    limits = ["--seconds", "20", "--memory", "1000"]
    assert "0 of 15 submissions marked" in grade(folder, *limits).stdout
    assert "1 of 15 submissions marked" in grade(folder, *limits, "--student", "ANNA").stdout
    stopped = grade(folder, "--seconds", "21", "--memory", "1000").stdout
    assert "1 of 15 submissions marked" in stopped, "a larger limit: the one that it had stopped"
    assert "0 of 15 submissions marked" in grade(folder, *limits).stdout, "and that mark stands"
    wrong = grade(folder, "--student", "nobody", "--seconds", "20", "--memory", "1000")
    assert wrong.returncode == 2 and "there is no hand-in of 'nobody'" in wrong.stderr
    history = (folder / "out" / "history.csv").read_text(encoding="utf-8")
    assert history.count("\nanna") + history.count(",anna,") == 2


def test_nobody_is_marked_while_something_is_not_clear(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "built").symlink_to(tiny / "built")
    put(tmp_path / "week 4", "anna.ipynb", "ANNA.ipynb", "bob.ipynb", "bob.zip", content="{}")
    for more in ((), ("--dry=1",)):
        run = grade(tmp_path, *more)
        assert run.returncode == 2
        for words in ("ANNA and anna differ", "Two files for bob: bob.ipynb, bob.zip"):
            assert words in run.stdout + run.stderr
    assert not (tmp_path / "out" / "grades.csv").exists()


def test_wrong_options_are_named(tiny: Path) -> None:
    usual = ["tiny", str(tiny / "week 4"), "--built", str(tiny / "built")]
    for more, complaint in {
        ("--seconds", "0"): "SECONDS=0: at least 1",
        ("--seconds", "nan"): "SECONDS=nan",
        ("--roster", "/nowhere.csv"): "ROSTER=/nowhere.csv: there is no such file",
        ("--out", str(tiny / "roster.csv")): "roster.csv is a file; OUT names a folder",
        ("--out", str(tiny / "week 4")): "lies in SUBMISSIONS=",
        ("--out", str(tiny / "week 4" / "grades")): "name a folder outside of it",
        ("--out", str(book.ROOT / "data" / "grades")): "which students' code can read",
        ("--submissions", "/usr/bin"): "SUBMISSIONS lies in /usr, which students' code can read",
    }.items():
        with pytest.raises(ValueError, match=re.escape(complaint)):
            options.check(options.parse([*usual, *more]))
    run = grade(tiny, "--export", "canvas")
    assert run.returncode == 2 and "EXPORT=canvas needs ROSTER=" in run.stderr


def test_a_book_that_students_could_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "python")
    monkeypatch.setattr(bubblewrap, "readable", lambda: [tmp_path / "python"])
    inside, beside = tmp_path / "link" / "src" / "book", tmp_path / "python3"
    assert bubblewrap.shown(inside) == tmp_path / "python" and not bubblewrap.shown(beside)
    assert bubblewrap.shown(Path("/usr/src/app")) == Path("/usr")
    assert not bubblewrap.shown(book.ROOT)


BURNS = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
time.sleep(60)
"""
COMPUTES = """
import time
begin = time.process_time()
while time.process_time() - begin < 1.5:
    pass
"""


def test_a_neighbour_who_burns_the_processor_costs_nobody_a_mark(
    tmp_path: Path, tiny: Path
) -> None:
    (tmp_path / "built").symlink_to(tiny / "built")
    put(tmp_path / "week 4", "anna.ipynb", content=notebook([COMPUTES, *GOOD]))
    put(tmp_path / "week 4", "burns.ipynb", content=notebook([BURNS, *GOOD]))
    run = grade(tmp_path, "--seconds", "9", "--memory", "1500", "--workers", "2")
    rows = table(tmp_path)
    assert (rows["anna"]["status"], rows["anna"]["total"]) == ("graded", "4.0"), run.stdout
    assert rows["burns"]["status"] == "stopped"
    assert "2 of 2 submissions marked" in run.stdout


def test_only_who_was_late_beside_others_is_marked_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late, killed = Mark("stopped", late=True), Mark("stopped")
    made = {"late": [late, Mark()], "always late": [late, late], "killed": [killed]}
    monkeypatch.setattr(runner, "mark", lambda path, *_: made[path.name].pop(0))
    there = [submissions.Submission(name, Path(name), "aa") for name in made]
    kept: dict[str, Mark] = {}

    def keep(submission: submissions.Submission, mark: Mark) -> None:
        assert submission.student not in kept
        kept[submission.student] = mark

    assert not runner.run(there, [], Limits(), 2, keep)
    found = {name: mark.status for name, mark in kept.items()}
    assert found == {"late": "graded", "always late": "stopped", "killed": "stopped"}
    made["late"] = [late]
    kept.clear()
    runner.run(there[:1], [], Limits(), 2, keep)
    assert kept["late"] is late, "nobody was beside it"


FAULTS = """
import sys
from pathlib import Path
from grading import runner
from grading.__main__ import main
from grading.sandbox import MachineError

real = runner.mark

def mark(path, *more):
    if path.stem == "anna":
        raise MachineError("the worker never became ready")
    if path.stem == "bob":
        raise KeyError("a bug\\x1b[2J of the grader's")
    return real(path, *more)

runner.mark = mark
if "broken" in sys.argv:
    sys.argv.remove("broken")
    def self_test(limits, slot):
        raise MachineError("no room in /tmp: make some")
    runner.self_test = self_test
sys.exit(main(sys.argv[1:]))
"""


def test_what_is_not_a_students_fault_is_no_mark(tmp_path: Path, tiny: Path) -> None:
    put(tmp_path, "anna.ipynb", "bob.ipynb", "zoe.ipynb", content=notebook(GOOD))
    command = [PYTHON, "-c", FAULTS, "tiny", tmp_path, "--built", tiny / "built"]
    command += ["--out", tmp_path.with_name("machine"), "--seconds", "60", "--memory", "1000"]
    broken = subprocess.run([*command, "broken"], cwd=book.ROOT, capture_output=True, text=True)
    assert broken.returncode == 3 and "no room in /tmp: make some" in broken.stderr
    run = subprocess.run(command, cwd=book.ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 3, run.stderr
    rows = table(tmp_path.parent, "machine")
    assert {name: row["status"] for name, row in rows.items()} == {
        "(possible)": "",
        "anna": "not marked",
        "bob": "not marked",
        "zoe": "graded",
    }
    assert rows["anna"]["total"] == "" and "never became ready" in rows["anna"]["reason"]
    assert "KeyError" in rows["bob"]["reason"] and "\x1b" not in run.stdout
    assert "1 of 3 submissions marked" in run.stdout
    again = [*command[:2], FAULTS.replace("runner.mark = mark", ""), *command[3:]]
    run = subprocess.run(again, cwd=book.ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0 and "2 of 3 submissions marked" in run.stdout, "nothing was stored"
    assert {row["total"] for row in table(tmp_path.parent, "machine").values()} == {"7.0", "4.0"}


def test_links_that_lead_to_themselves_stop_nobody(tmp_path: Path) -> None:
    put(tmp_path, "anna.ipynb")
    (tmp_path / "bob.ipynb").symlink_to("bob.ipynb")
    found = submissions.find(tmp_path, [tmp_path / "roster.csv"])
    assert students(found) == ["anna", "bob"]
    (bob,) = [s for s in found.submissions if s.student == "bob"]
    assert "a link" in (bob.problem or "")
