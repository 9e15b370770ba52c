"""The page of changes: a role for verdicts that have changed, and the page as an Atom feed.

An entry names the claim, its verdict before and its verdict now; what is said beside it is text:

    - {change}`one-half-is-close-to-optimal supported depends` "The old sentence." → "The new one."

A section of `changes.md` that starts with its date, as in `## 28 November 2026: First edition`, is
an entry of `changes.xml`.
"""

from __future__ import annotations

import posixpath
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

from book_ledger import claims_in
from book_redirects import redirects
from book_verdicts import VERDICTS, WORDS, spoils
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)

PAGE, FEED = "changes", "changes.xml"
ATOM = "http://www.w3.org/2005/Atom"


class Change(SphinxRole):
    """A verdict that has changed: a link to the claim in the ledger."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / "chapters" / "claims.yml"))
        parts = self.text.split()
        claims = {claim["id"] for claim in claims_in(root / "chapters" / "claims.yml")}
        claims |= {old for olds in redirects(root)["claims"].values() for old in olds}
        if len(parts) != 3 or parts[0] not in claims or not set(parts[1:]) <= set(VERDICTS):
            text = "%r is not a claim's id, its verdict before, and its verdict now (%s)"
            logger.warning(text, self.text, ", ".join(VERDICTS), location=self.get_location())
            return [], []
        claim, before, now = parts
        link = nodes.reference("", "", internal=True, refuri=f"claims.html#claim-{claim}")
        link += nodes.Text(f"{WORDS[before]} → {WORDS[now].lower()}")
        return [nodes.inline("", "", link, classes=["verdict-change", *spoils(claim)])], []


def dated(title: str) -> tuple[datetime, str]:
    """The date at the start of a section's title, and the rest.

    >>> dated("28 November 2026: First edition")
    (datetime.datetime(2026, 11, 28, 0, 0), 'First edition')
    """
    date, _, rest = title.partition(":")
    return datetime.strptime(date.strip(), "%d %B %Y"), rest.strip()


def feed_of(entries: list[dict[str, str]], title: str, page: str, feed: str) -> bytes:
    """An Atom feed; an entry has `title`, `link`, `updated` and `content` (HTML)."""

    def add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str) -> None:
        ElementTree.SubElement(parent, tag, attributes).text = text or None

    root = ElementTree.Element("feed", xmlns=ATOM)
    add(root, "title", title)
    add(root, "id", page)
    add(root, "link", href=page)
    add(root, "link", rel="self", href=feed)
    add(root, "updated", max(entry["updated"] for entry in entries))
    add(ElementTree.SubElement(root, "author"), "name", title.partition(":")[0])
    for entry in entries:
        item = ElementTree.SubElement(root, "entry")
        add(item, "title", entry["title"])
        add(item, "id", entry["link"])
        add(item, "link", href=entry["link"])
        add(item, "updated", entry["updated"])
        add(item, "content", entry["content"], type="html")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def write_feed(app: Sphinx, page: str, _template: str, context: dict, tree: Any) -> None:
    """Announce the feed on all pages, and write it with the page it is made from."""
    base = app.config.html_baseurl
    address = posixpath.join(base, FEED)
    title = f"{app.config.html_title}: changes"
    link = f'<link rel="alternate" type="application/atom+xml" title="{title}" href="{address}" />'
    context["metatags"] = context.get("metatags", "") + f"\n    {link}"
    if page != PAGE or tree is None or app.builder.name != "html":
        return
    here, entries = posixpath.join(base, f"{PAGE}.html"), []
    for section in tree.next_node(nodes.section).findall(nodes.section):
        if not isinstance(section.parent.parent, nodes.document):
            continue
        try:
            date, about = dated(section.next_node(nodes.title).astext())
        except ValueError:
            continue  # a section that is about the page, not a change
        html = app.builder.render_partial(section)["fragment"]
        html = re.sub(r"<(h\d)\b.*?</\1>", "", html, count=1, flags=re.S)
        html = re.sub(r'href="([^"]+)"', lambda m: f'href="{urljoin(here, m[1])}"', html)
        updated = date.strftime("%Y-%m-%dT00:00:00Z")
        entry = {"title": about, "link": f"{here}#{section['ids'][0]}", "updated": updated}
        entries.append(entry | {"content": html})
    if entries:
        Path(app.outdir, FEED).write_bytes(feed_of(entries, title, here, address))
    else:
        logger.warning("%s: no section starts with a date", PAGE, location=PAGE)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("change", Change())
    app.connect("html-page-context", write_feed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
