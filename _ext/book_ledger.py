"""The ledger: every claim of `chapters/claims.yml` by part, with its verdict and its trial.

Three directives: `ledger` (the whole list, with filters), `ledger-summary` (one sentence of counts)
and `ledger-examples` (the claims that are named in it).
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

VERDICTS = ("supported", "refuted", "depends")
WORDS = {"supported": "Supported", "refuted": "Refuted", "depends": "It depends"}
SCRIPT = Path(__file__).with_name("ledger.js")


class trial_link(nodes.General, nodes.Inline, nodes.Element):
    """A link to the card in a notebook where a claim is decided; resolved when titles are known."""


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


def verdict_of(claim: dict) -> nodes.inline:
    """A verdict in words; style sheets put its mark before it."""
    verdict, words = claim["verdict"], WORDS[claim["verdict"]]
    if on := claim.get("depends_in_words") or claim.get("depends_on"):
        words += f" on the {on.replace('_', ' ')}"
    return nodes.inline("", words, classes=["verdict", f"verdict-{verdict}"])


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
        if source in self.citation_keys():
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
        text = f"Held in {same} of {runs} {'run' if runs == 1 else 'runs'} of all settings"
        return [nodes.inline("", text, classes=["ledger-held"])]

    def citation_keys(self) -> set[str]:
        domain: Any = self.env.get_domain("cite")
        return set(domain.bibdata.data.entries)

    def correction(self, claim: dict) -> list[nodes.Node]:
        if not claim.get("correction"):
            return []
        words = self.words(claim["correction"])
        if claim["verdict"] == "refuted":
            words.insert(0, nodes.strong("", "What is true: "))
        return [nodes.paragraph("", "", *words, classes=["ledger-correction"])]

    def entry(self, claim: dict) -> nodes.list_item:
        classes = ["ledger-entry", f"is-{claim['verdict']}"]
        item = nodes.list_item(classes=classes, ids=[f"claim-{claim['id']}"])
        item += nodes.paragraph("", "", verdict_of(claim), classes=["ledger-verdict"])
        item += nodes.paragraph("", "", *self.words(claim["statement"]), classes=["ledger-claim"])
        if claim.get("zh"):
            text = f'<p class="ledger-zh" lang="zh-Hans">{escape(claim["zh"])}</p>'
            item += nodes.raw("", text, format="html")
        item += self.correction(claim)
        where = nodes.paragraph("", "", self.trial(claim), classes=["ledger-where"])
        where += nodes.inline("", "", *self.source(claim), classes=["ledger-source"])
        where.extend(self.held(claim))
        item += where
        return item


def counts(claims: list[dict]) -> str:
    """A sentence's worth of counts: `17 claims: 10 supported, 4 refuted, 3 depend on something`."""
    tally = Counter(claim["verdict"] for claim in claims)
    words = {"supported": "supported", "refuted": "refuted", "depends": "where it depends"}
    parts = [f"{tally[verdict]} {words[verdict]}" for verdict in VERDICTS]
    return f"{len(claims)} {'claim' if len(claims) == 1 else 'claims'}: {', '.join(parts)}"


class Ledger(LedgerDirective):
    """All claims, a section for each part, with buttons that filter by verdict."""

    def run(self) -> list[nodes.Node]:
        claims = self.claims()
        parts: dict[str, list[dict]] = {}
        for claim in claims:
            parts.setdefault(claim["page"].split("/")[0], []).append(claim)
        body: list[nodes.Node] = [nodes.raw("", self.filters(claims), format="html")]
        for part, members in parts.items():
            title = heading_of(Path(self.env.srcdir, "chapters", part, "index.md"))
            section = nodes.section(ids=[f"ledger-{part}"], classes=["ledger-part"])
            section["names"] = [f"ledger-{part}"]
            section += nodes.title("", "", *self.words(title))
            items = nodes.bullet_list(classes=["ledger"])
            items.extend(self.entry(claim) for claim in members)
            section += items
            self.state.document.note_explicit_target(section, section)
            body.append(section)
        script = f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>"
        self.env.note_dependency(str(SCRIPT))
        return [*body, nodes.raw("", script, format="html")]

    def filters(self, claims: list[dict]) -> str:
        tally = Counter(claim["verdict"] for claim in claims)
        button = (
            '<button type="button" aria-pressed="{pressed}" data-verdict="{verdict}">'
            "{words} <span>{count}</span></button>"
        )
        buttons = [button.format(pressed="true", verdict="all", words="All", count=len(claims))]
        buttons += [
            button.format(pressed="false", verdict=v, words=WORDS[v], count=tally[v])
            for v in VERDICTS
        ]
        # Hidden until the script is there to make the buttons work: without it all claims show.
        return (
            '<div class="ledger-filter" role="group" aria-label="Show claims by verdict" hidden>'
            + "".join(buttons)
            + '</div>\n<p class="ledger-status" role="status"></p>'
        )


class LedgerSummary(LedgerDirective):
    """How many claims the book has tried so far, in one sentence."""

    def run(self) -> list[nodes.Node]:
        return [nodes.paragraph("", f"The ledger holds {counts(self.claims())}.")]


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
        item = nodes.list_item(classes=["ledger-entry", f"is-{claim['verdict']}"])
        item += nodes.paragraph("", "", verdict_of(claim), classes=["ledger-verdict"])
        item += nodes.paragraph("", "", *self.words(claim["statement"]), classes=["ledger-claim"])
        item += self.correction(claim)
        item += nodes.paragraph("", "", self.trial(claim), classes=["ledger-where"])
        return item


def resolve_trials(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn each `trial_link` into a link to the card's anchor, named after its page."""
    for link in list(doctree.findall(trial_link)):
        target = link["docname"]
        uri = app.builder.get_relative_uri(docname, target) + f"#trial-{link['claim']}"
        title = app.env.titles[target].astext()
        reference = nodes.reference("", "", internal=True, refuri=uri, classes=["trial-link"])
        reference += nodes.Text("The trial, in ")
        reference += nodes.emphasis("", title)
        link.replace_self(reference)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(trial_link)
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-summary", LedgerSummary)
    app.add_directive("ledger-examples", LedgerExamples)
    app.connect("doctree-resolved", resolve_trials)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
