"""The ledger: every claim of `chapters/claims.yml` by part and page, its verdict and its trial.

Three directives: `ledger` (the whole list, a fold a page, with filters), `ledger-summary` (one
sentence of counts) and `ledger-examples` (the claims that are named in it). Addresses of claims
that are tried no more (`redirects.yml`) lead to what has taken their place.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from book_redirects import anchors
from book_verdicts import COUNTED, SWITCH, VERDICTS, WORDS, spoils, verdict_of
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("ledger.js")
KINDS = {"paper": "Papers", "book": "Books", "course": "Courses", "manual": "Manuals"}
KIND_OF_ENTRY = {"book": "book", "misc": "paper"}  # in references.bib; all others are papers
KIND_OF_TITLE = {"documentation": "manual", "course": "course", "lecture": "course"}


class trial_link(nodes.General, nodes.Inline, nodes.Element):
    """A link to the card in a notebook where a claim is decided; resolved when titles are known."""


class ledger_page(nodes.General, nodes.Element):
    """A fold of the ledger: the claims of one page, and what its summary says of them."""


def kind_of(source: str, entry: Any = None) -> str | None:
    """What kind of source says a claim: a key of KINDS, or None if that cannot be told.

    Args:
        source: The source as `claims.yml` has it: a key of the bibliography, or a name.
        entry: What the bibliography (of pybtex) says of it, if it does.

    >>> kind_of("PyTorch documentation"), kind_of("somebody")
    ('manual', None)
    """
    fields = entry.fields if entry else {"title": source}
    title = f"{fields.get('title', '')} {fields.get('howpublished', '')}".lower()
    for word, kind in KIND_OF_TITLE.items():
        if word in title and (entry is None or entry.type == "misc"):
            return kind
    return KIND_OF_ENTRY.get(entry.type, "paper") if entry else None


def reading_order(app: Sphinx) -> list[str]:
    """Names of all pages in the order of the table of contents."""
    site_map, order = app.config.external_site_map, []

    def walk(docname: str) -> None:
        order.append(docname)
        for tree in site_map[docname].subtrees if docname in site_map else ():
            for item in tree.items:
                walk(str(item))

    walk(site_map.root.docname)
    return order


def page_of(claim: dict) -> str:
    return f"chapters/{claim['page']}"


def claims_in(path: Path) -> list[dict]:
    """The claims of `claims.yml`, in its order."""
    return claims_as_of(path, path.stat().st_mtime_ns)


@cache
def claims_as_of(path: Path, _changed: int) -> list[dict]:
    """The claims as they are since a change of the file: many ask for them, once for each page."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or []


def runs_of(source: str | Path, page: str) -> dict[Path, dict]:
    """The stored replications of a page (`chapters/<part>/<slug>`), by the file each lies in."""
    folder = Path(source, "chapters", "replications", *page.split("/")[1:])
    return {p: json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))}


def heading_of(path: Path) -> str:
    """The first heading of a Markdown page."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line[2:].strip() for line in lines if line.startswith("# "))


class LedgerDirective(SphinxDirective):
    """Shared by the three directives: the claims in reading order, and how one is shown."""

    def claims(self) -> list[dict]:
        source = Path(self.env.srcdir, "chapters", "claims.yml")
        self.env.note_dependency(str(source))
        self.env.note_reread()
        if not source.exists():
            logger.warning("there is no chapters/claims.yml", location=self.get_location())
            return []
        claims = claims_in(source)
        order = {page: place for place, page in enumerate(reading_order(self.env.app))}
        known = []
        for claim in claims:
            if page_of(claim) in order:
                known.append(claim)
            else:
                logger.warning(
                    "claims.yml: %s is tried on %s, which is not in _toc.yml",
                    claim["id"],
                    page_of(claim),
                    location=self.get_location(),
                )
        return sorted(known, key=lambda claim: order[page_of(claim)])

    def words(self, text: str) -> list[nodes.Node]:
        children, messages = self.parse_inline(" ".join(str(text).split()), lineno=self.lineno)
        return [*children, *messages]

    def trial(self, claim: dict) -> trial_link:
        return trial_link(claim=claim["id"], docname=page_of(claim))

    def source(self, claim: dict) -> list[nodes.Node]:
        source, where = str(claim.get("source") or ""), claim.get("where")
        if not where:
            return [nodes.Text("Provisional: tried in one setting, its source is not named yet")]
        if source in self.citations():
            said = self.words(f"{{cite:t}}`{source}`")
        else:
            said = [nodes.Text(source)]
        return [nodes.Text("Said in "), *said, nodes.Text(f", {where}")]

    def held(self, claim: dict) -> list[nodes.Node]:
        """In how many of the stored runs the verdict came out."""
        verdicts = []
        for path, run in runs_of(self.env.srcdir, page_of(claim)).items():
            self.env.note_dependency(str(path))
            if claim["id"] in run["trials"]:
                verdicts.append(run["trials"][claim["id"]]["verdict"])
        if not verdicts:
            return []
        same, runs = verdicts.count(claim["verdict"]), len(verdicts)
        text = f"Held in {same} of {runs} {'run' if runs == 1 else 'runs'}"
        return [nodes.inline("", text, classes=["ledger-held"])]

    def citations(self) -> Any:
        domain: Any = self.env.get_domain("cite")
        return domain.bibdata.data.entries

    def kind(self, claim: dict) -> str | None:
        source = str(claim.get("source") or "")
        kind = kind_of(source, self.citations().get(source))
        if kind is None:
            logger.warning(
                "claims.yml: %s: is its source %r a paper, book, course or manual?",
                claim["id"],
                source,
                location=self.get_location(),
            )
        return kind

    def correction(self, claim: dict) -> list[nodes.Node]:
        if not claim.get("correction"):
            return []
        words = [nodes.strong("", "What holds: "), *self.words(claim["correction"])]
        classes = ["ledger-correction", *spoils(claim["id"])]
        return [nodes.paragraph("", "", *words, classes=classes)]

    def said(self, claim: dict) -> nodes.paragraph:
        """The verdict, and the sentence that it is about."""
        words = nodes.emphasis("", "", *self.words(claim["statement"]))
        gap = nodes.Text(" ")
        return nodes.paragraph("", "", verdict_of(claim), gap, words, classes=["ledger-claim"])

    def entry(self, claim: dict) -> nodes.list_item:
        name = f"claim-{claim['id']}"
        classes = ["ledger-entry", f"is-{claim['verdict']}", "claim-of", f"of-{claim['id']}"]
        item = nodes.list_item(classes=[*classes, f"from-{self.kind(claim)}"], ids=[name])
        item += anchors(Path(self.env.srcdir), claim["id"], "claim")
        item += self.said(claim)
        if claim.get("zh"):
            text = f'<p class="ledger-zh" lang="zh-Hans">{escape(claim["zh"])}</p>'
            item += nodes.raw("", text, format="html")
        item += self.correction(claim)
        where = nodes.paragraph(classes=["ledger-where"])
        where += nodes.inline("", "", *self.source(claim), classes=["ledger-source"])
        where.extend(self.held(claim))
        where += trial_link(claim=claim["id"], docname=page_of(claim), short=True)
        hidden = '<span class="visually-hidden"> to this claim</span>'
        link = f'<a class="ledger-link" href="#{name}">Link{hidden}</a>'
        where += nodes.raw("", link, format="html")
        item += where
        return item


def counts(claims: list[dict]) -> str:
    """How many verdicts there are of each kind: `10 supported, 4 refuted, 3 where it depends`."""
    tally = Counter(claim["verdict"] for claim in claims)
    return ", ".join(f"{tally[verdict]} {COUNTED[verdict]}" for verdict in VERDICTS)


class Ledger(LedgerDirective):
    """All claims, a section for each part and a fold for each page, with filters."""

    def run(self) -> list[nodes.Node]:
        claims = self.claims()
        body: list[nodes.Node] = [nodes.raw("", SWITCH + self.controls(claims), format="html")]
        for part, members in groupby(claims, lambda claim: claim["page"].split("/")[0]):
            title = heading_of(Path(self.env.srcdir, "chapters", part, "index.md"))
            section = nodes.section(ids=[f"ledger-{part}"], classes=["ledger-part"])
            section["names"] = [f"ledger-{part}"]
            section += nodes.title("", "", *self.words(title))
            for page, tried in groupby(members, page_of):
                section += self.page(page, list(tried))
            self.state.document.note_explicit_target(section, section)
            body.append(section)
        script = f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>"
        self.env.note_dependency(str(SCRIPT))
        return [*body, nodes.raw("", script, format="html")]

    def page(self, page: str, claims: list[dict]) -> ledger_page:
        items = nodes.bullet_list(classes=["ledger"])
        items.extend(self.entry(claim) for claim in claims)
        tally = Counter(claim["verdict"] for claim in claims)
        gone = anchors(Path(self.env.srcdir), page.removeprefix("chapters/"), "claim")
        return ledger_page("", *gone, items, docname=page, tally=dict(tally))

    def controls(self, claims: list[dict]) -> str:
        verdicts = Counter(claim["verdict"] for claim in claims)
        kinds = Counter(self.kind(claim) for claim in claims)
        # Shown where scripts run (ledger.css): without them all claims can be reached.
        return (
            '<div class="ledger-controls">'
            '<p class="ledger-search"><label for="ledger-text">Find in the ledger</label> '
            '<input type="search" id="ledger-text" autocomplete="off" spellcheck="false"></p>'
            + buttons("verdict", "Verdict", WORDS, verdicts)
            + buttons("source", "Said in", KINDS, kinds)
            + '<p class="ledger-switches">'
            '<button type="button" class="ledger-open" aria-pressed="false">Open all</button>'
            '<button type="button" class="ledger-chinese" aria-pressed="false" lang="zh-Hans">'
            '中文<span lang="en"> (Chinese)</span></button></p>'
            '</div>\n<p class="ledger-status" role="status"></p>'
        )


def buttons(key: str, title: str, words: dict[str, str], tally: Counter) -> str:
    """A group of buttons of which one is pressed, each with its number of claims."""
    texts = {"": f"All <span>{tally.total()}</span>"}
    texts |= {name: f"{words[name]} <span>{tally[name]}</span>" for name in words if tally[name]}
    spoiling = " spoils-page" if key == "verdict" else ""
    return (
        f'<div class="ledger-filter{spoiling}" role="group" aria-labelledby="filter-{key}">'
        f'<span class="ledger-filter-title" id="filter-{key}">{title}</span>'
        + "".join(
            f'<button type="button" aria-pressed="{str(not name).lower()}" '
            f'data-{key}="{name}">{text}</button>'
            for name, text in texts.items()
        )
        + "</div>"
    )


class LedgerSummary(LedgerDirective):
    """How many claims the book has tried so far, in one sentence."""

    def run(self) -> list[nodes.Node]:
        claims = self.claims()
        several = "claim" if len(claims) == 1 else "claims"
        tally = nodes.inline("", f": {counts(claims)}", classes=["spoils", "spoils-page"])
        said = [nodes.Text(f"The ledger holds {len(claims)} {several}"), tally, nodes.Text(".")]
        return [nodes.paragraph("", "", *said)]


class LedgerExamples(LedgerDirective):
    """The claims whose ids are listed, one a line: what is said, and what the trial found."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        claims = {claim["id"]: claim for claim in self.claims()}
        items = nodes.bullet_list(classes=["ledger", "ledger-examples"])
        for name in filter(None, map(str.strip, self.content)):
            if name in claims:
                items += self.example(claims[name])
            else:
                logger.warning("claims.yml has no %s", name, location=self.get_location())
        return [items]

    def example(self, claim: dict) -> nodes.list_item:
        classes = ["ledger-entry", f"is-{claim['verdict']}", "claim-of", f"of-{claim['id']}"]
        item = nodes.list_item(classes=classes)
        item += self.said(claim)
        item += self.correction(claim)
        item += nodes.paragraph("", "", self.trial(claim), classes=["ledger-where"])
        return item


def visit_ledger_page(self: Any, node: ledger_page) -> None:
    title = escape(self.builder.env.titles[node["docname"]].astext())
    number = sum(node["tally"].values())
    marks = "".join(
        f'<span class="verdict verdict-{verdict}">{node["tally"][verdict]}'
        f'<span class="visually-hidden"> {COUNTED[verdict]}</span></span> '
        for verdict in VERDICTS
        if verdict in node["tally"]
    )
    self.body.append(
        f'<details class="ledger-page"><summary>{title} <span class="ledger-count">{number} '
        f'{"claim" if number == 1 else "claims"}<span class="spoils-page">: {marks}</span></span>'
        "</summary>\n"
    )


def depart_ledger_page(self: Any, _node: ledger_page) -> None:
    self.body.append("</details>\n")


def resolve_trials(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn each `trial_link` into a link to the card's anchor, named after its page."""
    for link in list(doctree.findall(trial_link)):
        target = link["docname"]
        uri = app.builder.get_relative_uri(docname, target) + f"#trial-{link['claim']}"
        title = app.env.titles[target].astext()
        reference = nodes.reference("", "", internal=True, refuri=uri, classes=["trial-link"])
        if link.get("short"):
            reference += nodes.Text("The trial")
        else:
            reference += [nodes.Text("The trial, in "), nodes.emphasis("", title)]
        link.replace_self(reference)


def without_titles(_app: Sphinx, doctree: nodes.document, _docname: str) -> None:
    """Leave out the titles of the ledger's citations, an eighth of its weight on the line.

    They say what the list of references says, to which the citations lead.
    """
    for page in doctree.findall(ledger_page):
        for reference in page.findall(nodes.reference):
            reference.attributes.pop("reftitle", None)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(trial_link)
    app.add_node(ledger_page, html=(visit_ledger_page, depart_ledger_page))
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-summary", LedgerSummary)
    app.add_directive("ledger-examples", LedgerExamples)
    app.connect("doctree-resolved", resolve_trials)
    app.connect("doctree-resolved", without_titles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
