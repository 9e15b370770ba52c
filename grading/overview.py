"""One page on a class: how the totals are spread, and which checks hardly anybody passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from grading.feedback import VIEWPORT, escaped
from grading.marks import REFUSED
from grading.results import Assignment, Result

FEW = 0.15  # a check that a smaller share passes is flagged
ENOUGH = 5  # hand-ins; of fewer, a share says little
NAMED = 3  # of those, in the lines at the end of a run
BINS = 10
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #8884; padding: .2em .5em; text-align: left; }
td.bar { width: 40%; } .number { text-align: right; white-space: nowrap; }
.flag { font-weight: bold; color: #a33c00; }
svg { width: 100%; height: auto; } svg rect { fill: #3b6fb6; } svg text { fill: currentColor; }
@media (prefers-color-scheme: dark) { body { background: #1c1c1c; color: #eee; }
  .flag { color: #ff9e66; } svg rect { fill: #7fa8e0; } }
"""


@dataclass(frozen=True)
class Share:
    """How many passed a check.

    Attributes:
        question, check: which.
        hidden: whether students could run it.
        passed, tried: how many passed, of all whose notebook could be read.
    """

    question: str
    check: str
    hidden: bool
    passed: int
    tried: int

    @property
    def flagged(self) -> bool:
        """Whether nearly everybody fails it, so that it may be the check that is wrong."""
        return self.tried >= ENOUGH and self.passed < FEW * self.tried


def shares(results: Iterable[Result], assignment: Assignment) -> list[Share]:
    """How many passed each check of the questions that tests mark."""
    counts: dict[tuple[str, str, bool], list[int]] = {}
    for result in results:
        if result.mark is None or result.status == REFUSED:
            continue
        for question in assignment.tested:
            for outcome in result.mark.questions.get(question, []):
                count = counts.setdefault((question, outcome.name, outcome.hidden), [0, 0])
                count[0] += outcome.earned >= outcome.points and not outcome.message
                count[1] += 1
    return [Share(*key, *count) for key, count in counts.items()]


def flagged(found: Iterable[Share]) -> list[str]:
    """The checks that nearly everybody fails, in a few lines."""
    names = [f"{share.question}, {share.check}" for share in found if share.flagged]
    lines = [f"nearly everybody fails {name}" for name in names[:NAMED]]
    more = len(names) - NAMED
    return lines if more <= 0 else [*lines, f"and {more} more checks: see overview.html"]


def page(results: Sequence[Result], assignment: Assignment) -> str:
    """The page as HTML that needs no other file."""
    marked = [r for r in results if r.mark is not None and r.status != REFUSED]
    totals = [r.total(assignment) for r in marked]
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    title = f"Assignment: {assignment.name}"
    spread = "; ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    parts = [f"<h1>{escaped(title)}</h1><p>{escaped(spread)}.</p>"]
    if provisional := sum(bool(r.missing(assignment)) for r in marked):
        parts.append(
            f'<p class="flag">{provisional} totals are provisional: '
            f"{escaped(', '.join(assignment.manual))} not marked yet.</p>"
        )
    if totals:
        middle = f"mean {mean(totals):.1f}, median {median(totals):.1f}"
        parts.append(f"<h2>Totals ({middle}, of {assignment.possible:g})</h2>")
        parts.append(histogram(totals, assignment.possible))
    found = shares(results, assignment)
    parts.append("<h2>Checks: the share that passed</h2>")
    if flagged := [share for share in found if share.flagged]:
        names = "; ".join(f"{share.question}, {share.check}" for share in flagged)
        parts.append(
            f'<p class="flag">Nearly everybody fails: {escaped(names)}. Is the check right, and '
            "does the question say what it asks for?</p>"
        )
    head = '<tr><th>question</th><th>check</th><th class="number">passed</th><th></th></tr>'
    parts.append(f"<table>{head}{''.join(_row(share) for share in found)}</table>")
    parts.append(_by_hand(marked, assignment))
    meta = f"{VIEWPORT}<title>{escaped(title)}</title><style>{STYLE}</style>"
    return (
        f'<!doctype html><html lang="en"><head>{meta}</head><body>{"".join(parts)}</body></html>\n'
    )


def _row(share: Share) -> str:
    """A check's line, with its bar."""
    part = share.passed / share.tried
    hidden = " (hidden)" if share.hidden else ""
    flag = ' <span class="flag">nearly everybody fails</span>' if share.flagged else ""
    return (
        f"<tr><td>{escaped(share.question)}</td><td>{escaped(share.check)}{hidden}{flag}</td>"
        f'<td class="number">{share.passed} of {share.tried} ({part:.0%})</td>'
        f'<td class="bar"><svg viewBox="0 0 100 6" role="img" aria-label="{part:.0%}">'
        f'<rect width="{100 * part:.1f}" height="6"/></svg></td></tr>'
    )


def _by_hand(marked: Sequence[Result], assignment: Assignment) -> str:
    """The mean of each question that people mark."""
    rows = []
    for name, worth in assignment.manual.items():
        points = [p for r in marked if (p := r.points(assignment).get(name)) is not None]
        shown = f"mean {mean(points):.1f} of {worth:g}" if points else "not marked yet"
        rows.append(f"<li>{escaped(name)}: {len(points)} of {len(marked)} marked, {shown}</li>")
    return f"<h2>Questions that people mark</h2><ul>{''.join(rows)}</ul>" if rows else ""


def histogram(totals: Sequence[float], possible: float) -> str:
    """How many have about so many points, as a picture with a text of its own."""
    width = possible / BINS or 1.0
    counts = [0] * BINS
    for total in totals:
        counts[min(BINS - 1, max(0, int(total / width)))] += 1
    most = max(counts)
    bars, words = [], []
    for place, count in enumerate(counts):
        x, height = 60 * place, 120 * count / most
        label = f"{place * width:g}–{(place + 1) * width:g}"
        words.append(f"{label} points: {count}")
        bars.append(
            f'<rect x="{x + 4}" y="{140 - height:.1f}" width="52" height="{height:.1f}"/>'
            f'<text x="{x + 30}" y="{134 - height:.1f}" text-anchor="middle">{count}</text>'
            f'<text x="{x + 30}" y="158" text-anchor="middle" font-size="11">{label}</text>'
        )
    said = escaped("; ".join(words))
    return (
        f'<svg viewBox="0 0 {60 * BINS} 170" role="img" aria-label="Students by total. {said}" '
        f'font-size="13">{"".join(bars)}</svg>'
    )
