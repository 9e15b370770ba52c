"""The status page: each notebook's last runs and how its verdicts held, from stored records only.

The run time is that of the title cell, which `tools/execute` fills in; all else is from
`chapters/replications/`. Three directives, `status`, `status-runs` and `status-verdicts`, make a
table each.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from book_ledger import LedgerDirective, page_of, reading_order, runs_of
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

RUN_TIME = re.compile(r"runs in about (\d+) s on two CPU cores")
Cell = str | list[nodes.Node]


def table_of(head: list[str], rows: list[list[Cell]]) -> nodes.table:
    """A table of texts and nodes; the first cell of a row names it."""

    def row_of(cells: list[Cell]) -> nodes.row:
        row = nodes.row()
        for cell in cells:
            children = [nodes.Text(cell)] if isinstance(cell, str) else cell
            row += nodes.entry("", nodes.paragraph("", "", *children))
        return row

    group = nodes.tgroup(cols=len(head))
    group.extend(nodes.colspec(colwidth=1) for _ in head)
    group += nodes.thead("", row_of(list(head)))
    group += nodes.tbody("", *map(row_of, rows))
    return nodes.table("", group, classes=["status"])


def minutes(run: dict) -> str:
    """How long the trials of a run took together, where that is stored."""
    seconds = [trial["seconds"] for trial in run["trials"].values() if "seconds" in trial]
    return f"{sum(seconds) / 60:.0f} min" if seconds else ""


def software(run: dict) -> list[Cell]:
    """Python and PyTorch of a run."""
    return [run["versions"].get(name, "") for name in ("python", "torch")]


class StatusDirective(LedgerDirective):
    """Shared by the three: the chapters in reading order, and a link to each."""

    def chapters(self) -> dict[str, list[dict]]:
        """The stored runs of each notebook, oldest first."""
        found = {}
        for page in reading_order(self.env.app):
            if Path(self.env.srcdir, f"{page}.ipynb").exists():
                runs = runs_of(self.env.srcdir, page)
                for path in runs:
                    self.env.note_dependency(str(path))
                found[page] = sorted(runs.values(), key=lambda run: (run["date"], run["seed"]))
        self.env.note_reread()
        return found

    def link(self, page: str) -> list[nodes.Node]:
        label = nodes.inline("", page)
        return [
            addnodes.pending_xref(
                "",
                label,
                refdomain="std",
                reftype="doc",
                reftarget=f"/{page}",
                refdoc=self.env.docname,
                refexplicit=False,
                refwarn=True,
            )
        ]


class Status(StatusDirective):
    """A line a notebook: its run time, and what its replications were run on."""

    def run(self) -> list[nodes.Node]:
        claims = self.claims()
        rows = []
        for page, runs in self.chapters().items():
            notebook = Path(self.env.srcdir, f"{page}.ipynb")
            self.env.note_dependency(str(notebook))
            time = RUN_TIME.search(notebook.read_text(encoding="utf-8"))
            row: list[Cell] = [self.link(page), f"{time[1]} s" if time else ""]
            if runs:
                last = runs[-1]
                row += [last["date"], last["device"].upper(), *software(last), minutes(last)]
            else:
                row += [""] * 5
            results = [results_of(claim, runs) for claim in claims if page_of(claim) == page]
            held = sum(bool(found) and all(found) for found in results)
            rows.append([*row, str(len(runs)), f"{held} of {len(results)}"])
        head = ["Chapter", "Notebook", "Last run", "Device", "Python", "PyTorch", "Trials"]
        return [table_of([*head, "Runs", "Held"], rows)]


class StatusRuns(StatusDirective):
    """A line a stored run."""

    def run(self) -> list[nodes.Node]:
        rows: list[list[Cell]] = [
            [
                self.link(page),
                str(run["seed"]),
                run["date"],
                f"{run['device'].upper()}; {run['machine']}",
                *software(run),
                minutes(run),
            ]
            for page, runs in self.chapters().items()
            for run in runs
        ]
        head = ["Chapter", "Seeds from", "Date", "Device and machine", "Python", "PyTorch"]
        return [table_of([*head, "Trials"], rows)]


class StatusVerdicts(StatusDirective):
    """A line a claim: in how many of the stored runs its verdict held."""

    def run(self) -> list[nodes.Node]:
        chapters = self.chapters()
        rows: list[list[Cell]] = []
        for claim in self.claims():
            results = results_of(claim, chapters[page_of(claim)])
            rows.append([self.words(claim["statement"]), f"{sum(results)} of {len(results)}"])
        return [table_of(["Claim", "Held in"], rows)]


def results_of(claim: dict, runs: list[dict]) -> list[bool]:
    """Whether each of the runs that tried a claim came to its verdict."""
    tried = [run["trials"][claim["id"]] for run in runs if claim["id"] in run["trials"]]
    return [trial["verdict"] == claim["verdict"] for trial in tried]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("status", Status)
    app.add_directive("status-runs", StatusRuns)
    app.add_directive("status-verdicts", StatusVerdicts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
