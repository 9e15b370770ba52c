"""What a part's overview says of each written chapter: its question, a picture, times, verdicts.

All of it is told from the chapter itself, when it is read: the question is its first heading, the
picture its first figure, the run time stands under its title. The verdicts are those of the claims.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from book_ledger import claims_in, page_of
from book_page import is_chapter, reading_minutes
from book_verdicts import COUNTED, VERDICTS
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

RUNS = re.compile(r"runs in about (\d+) s")


class chapter_picture(nodes.General, nodes.Element):
    """The first figure of the chapter `docname`, small."""


class chapter_question(nodes.General, nodes.Element):
    """The question with which the chapter `docname` opens."""


class chapter_facts(nodes.General, nodes.Element):
    """A line with the times and the verdicts of the chapter `docname`."""


def facts_on(env: BuildEnvironment) -> dict[str, dict[str, Any]]:
    """What is known of the chapters that were read, by page."""
    if not hasattr(env, "book_chapters"):
        env.book_chapters = {}  # type: ignore[attr-defined]
    return env.book_chapters  # type: ignore[attr-defined, no-any-return]


def note(app: Sphinx, document: nodes.document) -> None:
    """Keep what the overview says of a chapter."""
    page = app.env.docname
    if not is_chapter(app, page):
        return
    sections = list(document.findall(nodes.section))
    runs = RUNS.search(document.astext())
    claims = claims_in(Path(app.srcdir, "chapters", "claims.yml"))
    facts_on(app.env)[page] = {
        "question": sections[1].next_node(nodes.title).astext() if len(sections) > 1 else "",
        # as it will stand in `env.images`, which are collected later
        "picture": next((i["uri"].lstrip("/") for i in document.findall(nodes.image)), None),
        "minutes": reading_minutes(document),
        "seconds": int(runs[1]) if runs else None,
        "verdicts": Counter(c["verdict"] for c in claims if page_of(c) == page),
    }


def forget(_app: Sphinx, env: BuildEnvironment, page: str) -> None:
    facts_on(env).pop(page, None)


def merge(_app: Sphinx, env: BuildEnvironment, pages: list[str], other: BuildEnvironment) -> None:
    facts_on(env).update((p, f) for p, f in facts_on(other).items() if p in pages)


def visit_picture(self: Any, node: chapter_picture) -> None:
    source = facts_on(self.builder.env)[node["docname"]]["picture"]
    if source is not None:
        name = self.builder.env.images[source][1]
        address = escape(posixpath.join(self.builder.imgpath, name))
        # It repeats what the chapter shows and describes: screen readers pass it by.
        self.body.append(f'<img class="notebook-picture" src="{address}" alt="" loading="lazy">')
    raise nodes.SkipNode


def visit_question(self: Any, node: chapter_question) -> None:
    question = facts_on(self.builder.env)[node["docname"]]["question"]
    self.body.append(f'<span class="notebook-question">{escape(question)}</span>')
    raise nodes.SkipNode


def visit_facts(self: Any, node: chapter_facts) -> None:
    facts = facts_on(self.builder.env)[node["docname"]]
    times = [f"{facts['minutes']} min to read"]
    if facts["seconds"] is not None:
        times.append(f"runs in about {facts['seconds']} s")
    verdicts = " ".join(
        f'<span class="verdict verdict-{v}">{facts["verdicts"][v]} {COUNTED[v]}</span>'
        for v in VERDICTS
        if facts["verdicts"][v]
    )
    self.body.append(
        f'<span class="notebook-facts">{" · ".join(times)} '
        f'<span class="spoils spoils-page">{verdicts}</span></span>'
    )
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(chapter_picture, html=(visit_picture, None))
    app.add_node(chapter_question, html=(visit_question, None))
    app.add_node(chapter_facts, html=(visit_facts, None))
    app.connect("doctree-read", note, priority=400)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
