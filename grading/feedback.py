"""A page for each student: what was asked, what was given, and what was wrong, in words."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from grading import text
from grading.marks import DONE, REFUSED, Outcome
from grading.results import Assignment, Result

SHOWN = ("names", "public", "all")  # how much of hidden checks a page shows
VIEWPORT = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5em 0 1.5em; }
td, th { border-bottom: 1px solid #8884; padding: .3em .5em; text-align: left; }
td { vertical-align: top; }
.comment { white-space: pre-wrap; }
.points { white-space: nowrap; } .wrong { color: #a33c00; } .right { color: #00694c; }
@media (prefers-color-scheme: dark) { body { background: #1c1c1c; color: #eee; }
  .wrong { color: #ff9e66; } .right { color: #54d6ae; } }
"""


def escaped(words: str) -> str:
    """Text of strangers as HTML: no tags, no control characters."""
    return html.escape(text.plain(words, keep="\n"))


def page(assignment: Assignment, result: Result, show: str = SHOWN[0]) -> str:
    """The page as HTML that needs no other file.

    Args:
        assignment: whose.
        result: of the student; tests have marked it.
        show: of checks that aren't in the student's notebook: names (and points), public (their
            points together), or all (and what they found, from which inputs may be learned).

    Returns:
        The text of the file.
    """
    e, mark, title = escaped, result.mark, f"Assignment: {assignment.name}"
    assert mark is not None
    missing = result.missing(assignment)
    state = f" (provisional: {e(', '.join(missing))} not marked yet)" if missing else ""
    who = result.person.name if result.person and result.person.name else result.student
    parts = [
        f"<h1>{e(title)}</h1>",
        f"<p>{e(who)}: <strong>{result.total(assignment):g}</strong> of "
        f"{assignment.possible:g}{state}</p>",
    ]
    if mark.reason:
        kind = ' class="wrong"' if mark.status != DONE else ""
        parts.append(f"<p{kind}>{e(mark.reason)}</p>")
    points = result.points(assignment)
    for name, worth in assignment.tested.items():
        parts.append(f"<h2>{e(name)}: {points.get(name, 0.0):g} of {worth:g}</h2>")
        parts.append(_comment(result, name))
        outcomes = mark.questions.get(name, [])
        if outcomes and mark.status != REFUSED:  # then the reason says it all
            parts.append(_table(outcomes, show))
    for name, worth in assignment.manual.items():
        shown = f"{points[name]:g} of {worth:g}" if name in points else "not marked yet"
        parts.append(f"<h2>{e(name)}, marked by a person: {shown}</h2>{_comment(result, name)}")
    for heading, lines in (
        ("Cells that did not run", mark.errors),
        ("Lines that were left out", mark.left_out),
    ):
        if lines:
            items = "".join(f"<li>{e(str(line))}</li>" for line in lines)
            parts.append(f"<h2>{heading}</h2><ul>{items}</ul>")
    head = f"{VIEWPORT}<title>{e(title)}: {e(who)}</title><style>{STYLE}</style>"
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    )


def _comment(result: Result, question: str) -> str:
    """What a person has said of a question."""
    given = result.given.get(question)
    if given is None:
        return ""
    kept = "" if given.points is None else "<p>These points were given by a person.</p>"
    return f'{kept}<p class="comment">{escaped(given.comment)}</p>'


def _table(outcomes: list[Outcome], show: str) -> str:
    """The checks of a question."""
    rows = ["<tr><th>check</th><th>points</th><th>what it found</th></tr>"]
    hidden = [outcome for outcome in outcomes if outcome.hidden]
    earned, points = sum(o.earned for o in outcomes), sum(o.points for o in outcomes)
    messages = {outcome.message for outcome in outcomes}
    told = show == "all" or len(hidden) < len(outcomes)
    if len(outcomes) > 1 and len(messages) == 1 and messages != {""} and told and not earned:
        rows.append(_row("all checks", earned, points, messages.pop()))
        return f"<table>{''.join(rows)}</table>"
    for outcome in outcomes:
        if outcome.hidden and show == "public":
            continue
        where = " (not in your notebook)" if outcome.hidden else ""
        said = outcome.message if show == "all" or not outcome.hidden else ""
        rows.append(_row(outcome.name + where, outcome.earned, outcome.points, said))
    if hidden and show == "public":
        earned, points = sum(o.earned for o in hidden), sum(o.points for o in hidden)
        rows.append(_row("checks that are not in your notebook", earned, points, ""))
    return f"<table>{''.join(rows)}</table>"


def _row(name: str, earned: float, points: float, message: str) -> str:
    """One line of the table."""
    right = earned == points and not message
    said = "✓ as it should be" if right else f"✗ {escaped(message or 'not as it should be')}"
    return (
        f'<tr><td>{escaped(name)}</td><td class="points">{earned:g} / {points:g}</td>'
        f'<td class="{"right" if right else "wrong"}">{said}</td></tr>'
    )


def write(
    folder: Path, assignment: Assignment, results: Iterable[Result], show: str
) -> list[tuple[str, str]]:
    """Write the pages of all that have a mark.

    Returns:
        Those that could not be written, with the reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for result in results:
        try:
            if result.mark is not None:
                words = page(assignment, result, show)
                path(folder, result).write_text(words, encoding="utf-8")
        except Exception as error:  # whatever it is, the others get theirs
            failed.append((result.student, f"no feedback page: {type(error).__name__}: {error}"))
    return failed


def path(folder: Path, result: Result) -> Path:
    """Where a student's page is."""
    return folder / text.file_name(result.student)
