"""Formulas are set when the book is built: no script, no waiting, nothing moves when it comes.

KaTeX runs in an embedded JavaScript engine and writes each formula as HTML, for the eye, and as
MathML, for screen readers. The pages need its style sheet and its fonts only. A formula that it
cannot set is a warning that names the formula, and so an error of the build.
"""

from __future__ import annotations

import base64
import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from fontTools import subset
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

# A plugin of Django CMS, of which the book uses the copy of KaTeX in it, and no code.
PACKAGE = "djangocms_katex"
FOLDER = "katex"
# What KaTeX says of the TeX source is of no use on the page; ½ is no LaTeX, but a formula.
OPTIONS = {"output": "htmlAndMathml", "throwOnError": True, "strict": "ignore"}
ANNOTATION = re.compile(r"<annotation\b.*?</annotation>", re.DOTALL)
# Below or above a letter, KaTeX writes a named function such as max as two things, where MathML has
# room for one: the function, and a mark that it is applied.
APPLIED = re.compile("<mo>\u2061</mo>(?=</ms(ub|up|ubsup)>)")
UNNUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather)\}")
# The fonts of nearly all formulas. Others are fetched by the pages that need them.
AT_ONCE = {
    f"KaTeX_{name}.woff2"
    for name in ("Main-Regular", "Main-Bold", "Math-Italic", "Math-BoldItalic", "AMS-Regular")
    + tuple(f"Size{k}-Regular" for k in (1, 2, 3, 4))
}
LOAD = """for (const face of ["1em KaTeX_Main", "bold 1em KaTeX_Main", "italic 1em KaTeX_Math",
  "italic bold 1em KaTeX_Math", "1em KaTeX_AMS"]) document.fonts.load(face);"""


class FormulaError(ValueError):
    """KaTeX cannot set a formula."""


def source() -> Path:
    """The folder with KaTeX's script, style sheet and fonts."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{PACKAGE}, which has KaTeX in it, is not installed: make setup")
    return Path(spec.submodule_search_locations[0], "static", PACKAGE, "vendor", "katex")


@functools.cache
def engine() -> MiniRacer:
    """The JavaScript engine, with KaTeX in it."""
    engine = MiniRacer()
    engine.eval((source() / "katex.min.js").read_text(encoding="utf-8"))
    return engine


@functools.cache
def typeset(formula: str, display: bool = False) -> str:
    r"""A formula of LaTeX as HTML and MathML.

    Raises:
        FormulaError: KaTeX cannot set it; the message says where and why.
    """
    try:
        options = OPTIONS | {"displayMode": display}
        html = engine().call("katex.renderToString", formula, options)
    except JSEvalException as error:
        # The message goes on with the script itself, in one line.
        why = str(error).split("\n")[0].partition("KaTeX parse error: ")[2]
        raise FormulaError(why.replace("\u0332", "") or str(error)[:200]) from error
    return APPLIED.sub("", ANNOTATION.sub("", html))


def set_formula(formula: str, display: bool, node: nodes.Element) -> str:
    """A formula as HTML, or a warning that names it."""
    try:
        return typeset(formula, display)
    except FormulaError as error:
        logger.warning("KaTeX cannot set the formula %r: %s", formula, error, location=node)
        return ""


def stacked(text: str) -> str:
    """Sphinx's shorthand for several equations, as LaTeX: `\\\\` and blank lines part them."""
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    parts = [rf"\begin{{split}}{p}\end{{split}}" if r"\\" in p else p for p in parts]
    lines = r"\\".join(parts)
    return lines if len(parts) == 1 else rf"\begin{{gathered}}{lines}\end{{gathered}}"


def visit_math(self: Any, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(set_formula(node.astext(), False, node) + "</span>")
    raise nodes.SkipNode


def visit_math_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    text = node.astext()
    if node["nowrap"]:  # an environment of amsmath; the book numbers equations, not KaTeX
        formula = UNNUMBERED.sub(r"\\\1{\2*}", text)
    else:
        formula = stacked(text)
    self.body.append(set_formula(formula, True, node) + "</div>\n")
    raise nodes.SkipNode


def choose(_app: Sphinx, config: Config) -> None:
    """Take this way of setting formulas for MathJax's."""
    config.html_math_renderer = "katex"


def load_fonts(app: Sphinx, _page: str, _template: str, context: dict, _tree: Any) -> None:
    """Let the fonts be ready when a page with formulas is first drawn, not soon after."""
    if 'class="katex"' in context.get("body", ""):
        app.add_js_file(None, body=LOAD)


def write_style(app: Sphinx, error: Exception | None) -> None:
    """Put KaTeX's style sheet into the book, and its fonts with the letters of the finished pages.

    The fonts of nearly all formulas stand in the sheet itself: no text moves when they come.
    """
    if error is not None or app.builder.format != "html":
        return
    pages = Path(app.outdir).rglob("*.html")
    letters = set().union(*(file.read_text(encoding="utf-8") for file in pages))
    target = Path(app.outdir, "_static", FOLDER)
    target.mkdir(parents=True, exist_ok=True)

    def light_font(match: re.Match[str]) -> str:
        options = subset.Options(flavor="woff2", layout_features=["*"], hinting=False)
        font = subset.load_font(source() / "fonts" / match[1], options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=map(ord, letters))
        subsetter.subset(font)
        subset.save_font(font, target / match[1], options)
        if match[1] not in AT_ONCE:
            return f"url({match[1]})"
        data = base64.b64encode((target / match[1]).read_bytes()).decode()
        return f"url(data:font/woff2;base64,{data})"

    style = (source() / "katex.min.css").read_text(encoding="utf-8")
    style = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)", "", style)
    style = re.sub(r"url\(fonts/([^)]+)\)", light_font, style)
    (target / "katex.css").write_text(style, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.connect("config-inited", choose)
    app.connect("html-page-context", load_fonts)
    app.connect("build-finished", write_style, priority=600)  # before the sheets become one
    app.add_css_file(f"{FOLDER}/katex.css", priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
