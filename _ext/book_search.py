"""The search: an index of what readers look for, and the pages' way to it.

Found are sections, claims, terms, answered questions, exercises, troubles and names of the API,
each with its anchor. Sphinx's own index, of pages, is not made. `search-index.js` holds the names
of these entries, beside the code that ranks them (`search-engine.js`) and the stemmer that comes
with Sphinx; a page fetches it when its reader begins to search, and after it `search-texts.js`,
what the entries say: the first hits do not wait for that. They are scripts and not data because a
page that was opened from disk may load only scripts. `search.js` is what a reader sees.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from book_anchors import QUESTIONS, SYMBOLS, TROUBLES, entries, questions, symbols
from book_folds import in_solution
from book_ledger import claims_in, page_of
from book_page import is_chapter
from book_verdicts import WORDS
from docutils import nodes
from pybtex.database import Entry as BibEntry
from pylatexenc.latex2text import LatexNodes2Text
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import js_porter_stemmer
from sphinx_exercise.nodes import is_exercise_node

HERE = Path(__file__).parent
INDEX, TEXTS = "search-index.js", "search-texts.js"
LONGEST = 160  # characters of a paragraph
SILENT = {"claims", "references"}  # the one is indexed claim by claim, the other looked up by name
LATEX = LatexNodes2Text(math_mode="text")
NAMED = {"numref": "the figure", "eq": "(…)"}

# kind, title, anchor, title of the section around it, text, which of its words are bold or italic
Entry = tuple[str, str, str, str, str, str]
TEXT = 4  # the place of the text


def formula(latex: str) -> str:
    r"""A formula in the signs of plain text.

    >>> formula(r"\eta(1 - \beta_1)/\sqrt d")
    'η(1 - β1)/√d'
    """
    latex = re.sub(r"\\[td]frac", r"\\frac", latex)
    latex = re.sub(r"\\(log|exp|max|min|sin|cos|tanh) *(?=[\w\\])", r"\\text{\1 }", latex)
    text = LATEX.latex_to_text(latex)
    text = re.sub(r"√\((\w)\)", r"√\1", text).replace("_", "")
    return unicodedata.normalize("NFKC", text)  # bold letters are letters


def citation(node: addnodes.pending_xref) -> str:
    """A citation as it stands in the text: authors and year."""
    entries = node.document.settings.env.get_domain("cite").bibdata.data.entries
    found = [entries[key.strip()] for key in node["reftarget"].split(",") if key.strip() in entries]
    return "; ".join(authors_and_year(entry) for entry in found)


def authors_and_year(entry: BibEntry) -> str:
    """The authors of a reference, by their last names, and its year.

    >>> from pybtex.database import Person
    >>> kafka = BibEntry("book", {"year": "1925"}, {"author": [Person("Franz Kafka")]})
    >>> authors_and_year(kafka)
    'Kafka 1925'
    """
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    last = [" ".join(LATEX.latex_to_text(name) for name in person.last_names) for person in people]
    who = f"{last[0]} et al." if len(last) > 2 else " and ".join(last)
    return f"{who} {entry.fields.get('year', '')}".strip()


def plain(node: nodes.Node) -> str:
    """The words of a node: formulas as plain text, no raw HTML, no code cells."""
    if isinstance(node, nodes.Text):
        return node.astext()
    if isinstance(node, nodes.math):
        return formula(node.astext())
    if isinstance(node, addnodes.pending_xref):
        if node["refdomain"] == "cite":
            return citation(node)
        if not node.get("refexplicit") and node["reftype"] in NAMED:
            return NAMED[node["reftype"]]
    if isinstance(node, nodes.math_block):
        return " … "
    skipped = nodes.raw, nodes.literal_block, nodes.image, nodes.comment, addnodes.index
    if isinstance(node, skipped) or not isinstance(node, nodes.Element):
        return ""
    if "notebook-list" in node.get(
        "classes", []
    ):  # a part lists its chapters, which speak themselves
        return ""
    between = "" if isinstance(node, nodes.TextElement) else " "
    return between.join(plain(child) for child in node.children)


def tidy(text: str) -> str:
    """A text on one line, without the blanks that a formula or a citation left behind."""
    return re.sub(r" ([.,;:)])", r"\1", " ".join(text.split()))


def prose(section: nodes.Element) -> str:
    """What a section itself says: its paragraphs and captions, without those that have entries."""
    said: list[str] = []
    for child in section.children:
        own = nodes.section, nodes.title, addnodes.glossary, addnodes.desc
        listed = nodes.term, nodes.row
        if isinstance(child, own) or any(
            node["ids"] for kind in listed for node in child.findall(kind)
        ):
            continue
        if is_exercise_node(child) or (isinstance(child, nodes.Element) and "nb_element" in child):
            texts = child.findall(nodes.caption) if not is_exercise_node(child) else ()
            said += [plain(text) for text in texts]
        elif "solution" not in getattr(child, "attributes", {}).get("classes", []):
            said.append(plain(child))
    # What a paragraph is about stands at its beginning, and the texts have to stay light; the head
    # of a page, with its answer in short, is kept whole.
    longest = LONGEST if isinstance(section.parent, nodes.section) else len(" ".join(said))
    texts = (tidy(text) for text in said)
    return " ".join(textwrap.shorten(text, longest, placeholder=" …") for text in texts if text)


def stressed(section: nodes.Element) -> str:
    """What is bold or italic in a section's own paragraphs: headings in all but name, new terms."""
    paragraphs = (child for child in section.children if isinstance(child, nodes.paragraph))
    words = (part for text in paragraphs for part in text)
    kinds = nodes.strong, nodes.emphasis
    return tidy(" ".join(plain(part) for part in words if isinstance(part, kinds)))


def kind_of(app: Sphinx, page: str) -> str:
    """What a page is called: a chapter, a part of the course, or just a page."""
    return "chapter" if is_chapter(app, page) else "part" if page.endswith("/index") else "page"


def sections(document: nodes.document, page_is: str) -> Iterator[Entry]:
    """The sections of a page, the page itself first."""
    for section in document.findall(nodes.section):
        if not in_solution(section) and isinstance(section[0], nodes.title):
            above = section.parent
            top = isinstance(above, nodes.document)
            around = "" if top or isinstance(above.parent, nodes.document) else plain(above[0])
            kind, title = page_is if top else "section", tidy(plain(section[0]))
            if QUESTIONS in section["ids"]:
                yield kind, title, section["ids"][0], around, "", ""
            else:
                yield kind, title, section["ids"][0], around, prose(section), stressed(section)


def others(document: nodes.document, page: str) -> Iterator[Entry]:
    """The questions, exercises, terms, troubles and names of a page."""
    for paragraph, question in questions(document):
        answer = tidy(plain(paragraph)).removeprefix(title := tidy(plain(question))).strip()
        yield "question", title, paragraph["ids"][0], "", answer, ""
    for node in document.findall(is_exercise_node):
        title = tidy(plain(node[0])).removeprefix("Exercise").strip()
        yield "exercise", title or "Exercise", node["label"], "", tidy(plain(node[1])), ""
    if page == TROUBLES or any(document.findall(addnodes.glossary)):
        kind = "trouble" if page == TROUBLES else "term"
        for terms, text in entries(document):
            title, *also = (tidy(plain(term)) for term in terms)
            also += (note.astext() for note in text.findall(nodes.comment))  # its other forms
            yield kind, title, terms[0]["ids"][0], "", tidy(plain(text)), ", ".join(also)
    for row, (symbol, meaning, *_) in symbols(document) if page == SYMBOLS else ():
        yield "symbol", tidy(plain(symbol)), row["ids"][0], "", tidy(plain(meaning)), ""
    for name in document.findall(addnodes.desc_signature):
        if name["ids"]:
            said = name.parent.next_node(nodes.paragraph)
            text = tidy(plain(said)) if said else ""
            yield "API", name["ids"][0], name["ids"][0], "", text, ""


def read(app: Sphinx, document: nodes.document) -> None:
    """Note what can be found on a page."""
    page = app.env.docname
    if page not in SILENT:
        found = [*sections(document, kind_of(app, page)), *others(document, page)]
        found_on(app.env)[page] = found


def found_on(env: BuildEnvironment) -> dict[str, list[Entry]]:
    """The entries by page, kept from one build to the next."""
    if not hasattr(env, "book_search"):
        env.book_search = {}
    return env.book_search


def forget(_app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """A page that is read again is indexed again."""
    found_on(env).pop(page, None)


def merge(_app: Sphinx, env: BuildEnvironment, pages: list[str], other: BuildEnvironment) -> None:
    """Take over what another process has read."""
    found_on(env).update({page: found_on(other)[page] for page in pages if page in found_on(other)})


def claims(app: Sphinx) -> dict[str, list[Entry]]:
    """The claims by the page that tries them; each is found at its card."""
    by_page: dict[str, list[Entry]] = {}
    for claim in claims_in(Path(app.srcdir, "chapters", "claims.yml")):
        statement = " ".join(claim["statement"].split()).replace("`", "")
        verdict = f"{WORDS[claim['verdict']]}. {claim.get('correction') or ''}".replace("`", "")
        entry = "claim", statement, f"trial-{claim['id']}", "", " ".join(verdict.split()), ""
        by_page.setdefault(page_of(claim), []).append(entry)
    return by_page


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write the names with what ranks them into one script, the texts into another."""
    if error is not None or app.builder.format != "html":
        return
    tried = claims(app)
    pages = [
        (page, found + tried.get(page, [])) for page, found in sorted(found_on(app.env).items())
    ]
    named = [
        [
            app.builder.get_target_uri(page),
            app.env.titles[page].astext(),
            [[*entry[:TEXT], *entry[TEXT + 1 :]] for entry in found],
        ]
        for page, found in pages
    ]
    synonyms = yaml.safe_load((HERE / "search-synonyms.yml").read_text(encoding="utf-8"))
    engine = (HERE / "search-engine.js").read_text(encoding="utf-8")
    data = as_script({"pages": named, "synonyms": synonyms})
    texts = as_script([entry[TEXT] for _, found in pages for entry in found])
    names = f"{js_porter_stemmer}\n{engine}\nwindow.bookSearch = engine({data});"
    folder = Path(app.outdir, "_static")
    (folder / INDEX).write_text(f"(() => {{\n{names}\n}})();\n", encoding="utf-8")
    said = f"window.bookSearch = window.bookSearch.with({texts});\n"
    (folder / TEXTS).write_text(said, encoding="utf-8")


def as_script(data: object) -> str:
    """Data as JavaScript."""
    return json.dumps(data, ensure_ascii=False)


def without_own_index(app: Sphinx) -> None:
    """Have Sphinx make no index of its own; put our script where it gets a checksum."""
    if app.builder.format == "html":
        app.builder.search = False
        folder = Path(app.outdir, "_static")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HERE / "search.js", folder / "search.js")


def without_own_scripts(
    _app: Sphinx, _page: str, _template: str, context: dict, _tree: Any
) -> None:
    """Leave out Sphinx's script that marks what its search has found."""
    scripts = context.get("script_files", [])
    # in place: to this very list others add the scripts of a page
    scripts[:] = [s for s in scripts if "sphinx_highlight.js" not in str(s)]


def search_page(app: Sphinx) -> Iterator[tuple[str, dict[str, str], str]]:
    """The page of the search, which Sphinx makes only beside an index of its own."""
    yield "search", {"title": "Search"}, "book-search.html"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", without_own_index, priority=100)
    app.connect("doctree-read", read, priority=900)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("html-collect-pages", search_page)
    app.connect("html-page-context", without_own_scripts)
    app.connect("build-finished", write_index)
    app.add_js_file("search.js", loading_method="defer")
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
