"""A page for each student: what was asked, what was given, and what was wrong, in words."""

from __future__ import annotations

import html
from collections.abc import Mapping

from grading.marking import DONE, Mark

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; width: 100%; margin: .5em 0 1.5em; }
td, th { border-bottom: 1px solid #8884; padding: .3em .5em; text-align: left; }
td { vertical-align: top; }
.points { white-space: nowrap; } .wrong { color: #a33c00; } .right { color: #00694c; }
@media (prefers-color-scheme: dark) { body { background: #1c1c1c; color: #eee; }
  .wrong { color: #ff9e66; } .right { color: #54d6ae; } }
"""


def page(
    title: str,
    student: str,
    mark: Mark,
    hand: Mapping[str, float],
    given: Mapping[str, tuple[float, str]],
) -> str:
    """The page as HTML that needs no other file.

    Args:
        title: of the assignment.
        student: whose page it is.
        mark: what the tests gave.
        hand: questions that people mark, with the points each is worth.
        given: what people have given: points and a comment.

    Returns:
        The text of the file.
    """
    e = html.escape
    possible = sum(t.points for tests in mark.questions.values() for t in tests)
    possible += sum(hand.values())
    total = mark.total + sum(points for points, _ in given.values())
    parts = [
        f"<h1>{e(title)}</h1>",
        f"<p>{e(student)}: <strong>{total:g}</strong> of {possible:g}</p>",
    ]
    if mark.status != DONE:
        parts.append(f'<p class="wrong">{e(mark.reason)}</p>')
    for name, tests in mark.questions.items():
        earned, worth = sum(t.earned for t in tests), sum(t.points for t in tests)
        parts.append(f"<h2>{e(name)}: {earned:g} of {worth:g}</h2><table>")
        parts.append("<tr><th>check</th><th>points</th><th>what it found</th></tr>")
        for test in tests:
            right = test.earned == test.points and not test.message
            said = "✓ as it should be" if right else f"✗ {e(test.message)}"
            hidden = " (not in your notebook)" if test.hidden else ""
            parts.append(
                f"<tr><td>{e(test.name)}{hidden}</td>"
                f'<td class="points">{test.earned:g} / {test.points:g}</td>'
                f'<td class="{"right" if right else "wrong"}">{said}</td></tr>'
            )
        parts.append("</table>")
    for name, worth in hand.items():
        points, comment = given.get(name, (None, ""))
        shown = "not marked yet" if points is None else f"{points:g} of {worth:g}"
        parts.append(f"<h2>{e(name)}, marked by a person: {shown}</h2><p>{e(comment)}</p>")
    if mark.errors:
        items = "".join(f"<li>{e(error)}</li>" for error in mark.errors)
        parts.append(f"<h2>Cells that did not run</h2><ul>{items}</ul>")
    head = f'<meta charset="utf-8"><title>{e(title)}: {e(student)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    )
