"""Folded code: labelled, opened by anyone in any way, remembered; and no line of code cut off."""

import ast
import re

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.site import book
from tests.site.conftest import PHONE, Visit, visit
from tests.site.test_pages import STICKING_OUT
from tools.book import read
from tools.normalise import solution_cells

LABELS = {
    "setup": "Set-up",
    "plot": "Plotting code",
    "check": "Check",
    "trial-code": "Trial code",
    "claim": "Trial code",
    "experiment": "Experiment",
    "live": "Code of the live model",
}
EXPERIMENTS = {"Beside the library", "On real data", "On trial"}
PAGE, ANOTHER = "chapters/cnn/lenet", "chapters/sequences/lstm"
LAPTOP = {"width": 1280 - 15, "height": 800}  # a scroll bar takes up to 15 pixels
PAPER = {"width": 688, "height": 1000}  # A4 within the margins of the style sheet

OPEN_ALL = """() => {
  document.querySelectorAll("details.fold").forEach((fold) => { fold.open = true; });
  document.querySelectorAll(".toggle-hidden .toggle-button").forEach((b) => b.click());
}"""
# Blocks of which some text is hidden to the right, and of code with lines that were broken
# although they have no more than 84 characters.
CUT_OFF = """() => [...document.querySelectorAll("article .cell pre")]
  .filter((block) => block.clientWidth && block.scrollWidth > block.clientWidth)
  .map((block) => block.textContent.slice(0, 100))"""
BROKEN = """() => [...document.querySelectorAll("article .cell_input pre")].filter((block) => {
  const lines = block.textContent.trimEnd().split("\\n");
  if (lines.some((line) => line.length > 84 || /[\\u2e80-\\uffff]/.test(line))) return false;
  const style = getComputedStyle(block);
  const room = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
  return block.clientHeight - room > (lines.length + 0.5) * parseFloat(style.lineHeight);
}).map((block) => block.textContent.slice(0, 100))"""


def defined_in(source: str) -> list[str]:
    """The functions and classes of a cell."""
    python = "\n".join("" if line.startswith("%") else line for line in source.splitlines())
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(python).body if isinstance(node, kinds)]


def folds_of(name: str) -> list[str]:
    """The labels of the folds that a page must have, in order, by its tags and sections."""
    notebook = read(book.ROOT / f"{name}.ipynb")
    solutions = {cell.id for cell in solution_cells(notebook)}
    labels, sections = [], []
    code, joined = "", ""  # of the cell before, if it may fold together with the next, and its kind
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            sections += re.findall(r"^## (.+)$", cell.source, re.M)
        tags = cell.metadata.get("tags", [])
        kinds = [tag for tag in tags if tag in LABELS]
        experiment = len(sections) == 1 or EXPERIMENTS.intersection(sections[-1:])
        if experiment and "lesson" not in tags:
            kinds.append("experiment")
        if cell.cell_type == "code" and kinds and cell.id not in solutions:
            if kinds[0] == joined:
                labels.pop()
                code += f"\n{cell.source}"
            else:
                code = cell.source
            labels.append(label_of(kinds[0], code))
            joined = "" if cell.outputs else kinds[0]
        else:
            joined = ""
    return labels


def label_of(kind: str, code: str) -> str:
    """What a fold says of the code in it."""
    count, names = len(code.splitlines()), defined_in(code)
    if len(names) > 3:
        names = [names[0], f"{names[1]} and {len(names) - 2} more"]
    what = ": ".join([LABELS[kind], *filter(None, [", ".join(names)])])
    return f"{what} · {count} {'line' if count == 1 else 'lines'}"


def test_cells_fold_by_their_tags(chapter: Visit) -> None:
    page = chapter.page
    assert page.locator("article details.fold > summary").all_inner_texts() == folds_of(
        chapter.name
    )
    assert page.locator(".solution details.fold, details.fold details.fold").count() == 0
    codes = page.locator("details.fold .highlight").count()
    assert page.locator("details.fold .copybtn").count() == codes >= page.locator(".fold").count()
    hidden = page.locator("details.fold").evaluate_all(
        "folds => folds.filter((f) => f.open || f.querySelector('pre').checkVisibility()).length"
    )
    assert hidden == 0, "code that is not folded"
    shown = page.locator(".cell:has(> details.fold) > .cell_output").evaluate_all(
        "outputs => outputs.filter((output) => !output.checkVisibility()).length"
    )
    assert shown == 0, "outputs that are hidden"


def test_no_line_is_cut_off(chapter: Visit) -> None:
    page = chapter.page
    page.set_viewport_size(LAPTOP)
    page.evaluate(OPEN_ALL)
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(BROKEN) == []


def test_nothing_scrolls_the_page_on_a_phone(chapter: Visit) -> None:
    page = chapter.page
    page.evaluate(OPEN_ALL)
    for width in (PHONE["width"], 320):
        page.set_viewport_size(PHONE | {"width": width})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == []
        bar = page.locator(".header-article__inner")
        assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth"), f"header at {width} px"


def test_nothing_is_cut_off_on_paper(chapter: Visit) -> None:
    page = chapter.page
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print")
    page.evaluate(OPEN_ALL)
    assert page.evaluate(CUT_OFF) == []
    edge = PAPER["width"] + 1
    wide = page.locator("article .cell pre").evaluate_all(
        "(blocks, edge) => blocks.filter((b) => b.getBoundingClientRect().right > edge).length",
        edge,
    )
    assert wide == 0
    whole = page.locator("article .cell_input pre").evaluate_all(
        """blocks => blocks.filter((block) => {
          for (let box = block; box.tagName !== "ARTICLE"; box = box.parentElement) {
            const style = getComputedStyle(box);
            if (style.breakInside !== "auto" || style.overflowY !== "visible") return true;
          }
          return false;
        }).length"""
    )
    assert whole == 0, "cells that a page break cannot divide"


def opened(page: Page) -> int:
    return page.locator("details.fold[open]").count()


def test_a_fold_opens_by_click_and_by_key(tab: Visit) -> None:
    page = tab.open(PAGE)
    fold = page.locator("details.fold").nth(1)
    code, summary = fold.locator("pre"), fold.locator("summary")
    expect(code).to_be_hidden()
    summary.click()
    expect(code).to_be_visible()
    assert opened(page) == 1
    page.keyboard.press("Enter")  # it has the focus
    expect(code).to_be_hidden()
    page.keyboard.press("Space")
    expect(code).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('details.fold, article') !== null")
    assert tab.complaints == []


def test_folds_open_without_a_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}{PAGE}.html")
    fold = page.locator("details.fold").first
    assert fold.locator("pre").is_hidden()
    fold.locator("summary").click()
    assert fold.locator("pre").is_visible()
    assert page.locator(".show-code").is_hidden()  # it would do nothing
    context.close()


def test_show_all_code_is_remembered(tab: Visit) -> None:
    page = tab.open(PAGE)
    page.add_init_script("""(function look() {
      const closed = document.querySelector("details.fold:not([open])");
      if (closed) window.flashed = true;
      requestAnimationFrame(look);
    })()""")
    button = page.get_by_role("button", name="Show all code")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.focus()
    page.keyboard.press("Space")
    for name in (PAGE, ANOTHER):
        expect(button).to_have_attribute("aria-pressed", "true")
        assert opened(page) == len(folds_of(name)) > 0
        assert not page.evaluate("window.flashed")
        if name == PAGE:
            page.reload()
            assert opened(page) == len(folds_of(PAGE))
            assert not page.evaluate("window.flashed"), "the page was drawn with folds closed"
            tab.open(ANOTHER)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert opened(page) == 0
    page.go_back()
    assert opened(page) == 0
    tab.open("glossary")
    assert page.locator(".show-code").count() == 0
    assert tab.complaints == []


def test_what_is_read_stays_in_place_when_all_code_opens(tab: Visit) -> None:
    page = tab.open(PAGE)
    heading = page.locator("h2", has_text="On real data")
    # just below the header: what is above it on the screen would stay in place instead
    heading.evaluate("heading => window.scrollTo(0, heading.offsetTop - 70)")
    page.wait_for_timeout(100)
    before = heading.bounding_box()
    box = page.locator(".show-code").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 9, box["y"] + 9)  # click() would scroll by itself
    page.wait_for_timeout(100)
    assert opened(page) == len(folds_of(PAGE))
    after = heading.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 5


def test_a_copy_takes_the_code_as_it_is(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=LAPTOP)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit(context, address).open(PAGE)
    fold = page.locator("details.fold").first
    fold.locator("summary").click()
    fold.locator(".copybtn").click()
    source = next(
        cell.source
        for cell in read(book.ROOT / f"{PAGE}.ipynb").cells
        if "setup" in cell.metadata.get("tags", [])
    )
    page.wait_for_function("() => navigator.clipboard.readText().then((text) => text.length > 9)")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.replace("\r\n", "\n").strip() == source.strip()
    context.close()


def test_touch_shows_the_copy_button_and_the_edge(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True)
    page = visit(context, address).open(PAGE)
    block = page.locator("article > section .cell_input:not(details *) .highlight").first
    look = "(element, name) => getComputedStyle(element)[name]"
    assert block.locator(".copybtn").evaluate(look, "opacity") == "1"
    assert block.locator("pre").evaluate(look, "backgroundAttachment").startswith("local, local")
    context.close()


def test_paper_is_light_and_shows_what_is_open(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport=LAPTOP, color_scheme="dark")
    page = visit(context, address).open(PAGE)
    theme = "document.documentElement.dataset.theme"
    page.wait_for_function(f"() => {theme} === 'dark'")
    plumbing = page.locator("details.fold:not(.fold-experiment)")
    plumbing.locator("summary").nth(1).click()
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {theme}; }})")
    assert page.pdf()[:4] == b"%PDF"
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate(theme) == "dark"
    page.emulate_media(media="print")
    shown = [fold for fold in plumbing.all() if fold.is_visible()]
    assert [fold.get_attribute("open") for fold in shown] == [""]
    experiments = page.locator("details.fold-experiment .highlight")  # they are part of the text
    assert experiments.count() == experiments.locator("visible=true").count() > 1
    assert page.locator("details.fold summary:visible").count() == 0
    context.close()


def test_axe_finds_nothing_while_folds_are_closed(tab: Visit) -> None:
    # Open, they are part of test_accessibility.
    page = tab.open(PAGE)
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("""() => axe.run(
      { include: [["details.fold"], [".show-code"]] },
      { resultTypes: ["violations"], iframes: false },
    )""")["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:100]) for v in found] == []


def test_drawings_inside_a_card_keep_their_colours_in_the_dark(tab: Visit) -> None:
    page = tab.open(PAGE)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    look = page.locator(".claim-card").first.evaluate("""card => {
      card.insertAdjacentHTML("beforeend", '<svg width="9" height="9"><path d="M0 0h9"/></svg>');
      const looks = [];
      for (let box = card.lastElementChild; box; box = box.parentElement) {
        const style = getComputedStyle(box);
        looks.push(style.filter, style.mixBlendMode);
      }
      return [...new Set(looks)].sort();
    }""")
    assert look == ["none", "normal"]
