"""What every notebook of the book keeps to, as functions that return what is wrong.

Each check takes a notebook and its slug and returns sentences, none if all is well. The tests run
the checks over the book, and over notebooks that are broken on purpose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from tools import book, normalise
from utils.pages import statements_of, trials_in

SECTIONS = (
    "From scratch",
    "Beside the library",
    "On real data",
    "On trial",
    "Summary",
    "Exercises",
    "Questions readers ask",
)
LONGEST_CELL = 30  # lines that are not blank
MOST_WORDS = 3000
MOST_VISIBLE_LINES = 300  # of code above "On trial"
MEDIAN_CELL = 8  # lines
TRIALS = range(3, 9)
EXERCISES = range(4, 8)
TIME_BUDGET = 45  # seconds
# Pages that train a model of language need longer before there is anything to see.
LANGUAGE = (
    "language-models",
    "rnn",
    "lstm",
    "deep-and-bidirectional",
    "seq2seq",
    "seq2seq-attention",
    "self-attention",
    "transformer",
    "bert",
)
LANGUAGE_BUDGET = 90
# Cells with one of these tags are folded on the site.
FOLDED = {"setup", "plot", "check", "trial-code", "claim", "live", "colab"}
LABEL = re.compile(
    r"^\((?P<target>[^()\s]+)\)=\s*$"
    r"|^:(?:label|name): *(?P<option>\S+)\s*$"
    r"|\$\$ *\((?P<equation>[^()\s]+)\)\s*$"
    r"|\\label\{(?P<latex>[^{}]+)\}",
    re.M,
)
PLACE = re.compile(r"^\*(?P<before>Builds on .*?); (?P<after>leads to .*)\*\s*$", re.M)
PAGE_LINK = re.compile(r"\]\((?P<page>[\w./-]+)\.ipynb\)")
Check = Callable[[NotebookNode, str], list[str]]


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """The code cells with their numbers in the notebook, counted from 1."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            yield number, cell


def text_of(notebook: NotebookNode) -> str:
    """All Markdown of a notebook."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def tree_of(cell: NotebookNode) -> ast.Module:
    """The syntax tree of a code cell, with IPython's magics turned into calls."""
    return ast.parse(TransformerManager().transform_cell(cell.source))


def outside_code(markdown: str) -> str:
    """Markdown without fenced code; directives, whose fences name them in braces, stay."""
    return re.sub(r"^(```+)(?!\{)[^\n]*\n.*?^\1", "", markdown, flags=re.M | re.S)


# ------------------------------------------------------------------------------------ structure
def first_cell_is_canonical(notebook: NotebookNode, slug: str) -> list[str]:
    """The first cell is the one that installs the helpers in Colab."""
    cell = notebook.cells[0] if notebook.cells else None
    if cell is None or cell.cell_type != "code" or cell.source != book.colab_cell():
        return ["the first cell is not the canonical Colab cell; run tools/normalise"]
    return [] if tags(cell) == normalise.COLAB_TAGS else ["the Colab cell has other tags"]


def title_cell_is_complete(notebook: NotebookNode, slug: str) -> list[str]:
    """The second cell has one title, a sentence, and the line of needs with a run time."""
    source = notebook.cells[1].source if len(notebook.cells) > 1 else ""
    found = []
    if not source.startswith("# "):
        found.append("the second cell does not start with the title")
    if not book.NEEDS_LINE.search(source):
        found.append("no line '*Needs: …; runs in about N s on two CPU cores.*' below the title")
    elif book.run_time(notebook) is None:
        found.append("the run time is not filled in; run tools/execute")
    if len(re.findall(r"^# .", outside_code(text_of(notebook)), re.M)) != 1:
        found.append("not exactly one title (a line that starts with '# ')")
    sentence = [line for line in source.splitlines()[1:] if line.strip() and line[0] not in "*(#"]
    return found if sentence else [*found, "no sentence between the title and the needs"]


def place_is_said(notebook: NotebookNode, slug: str) -> list[str]:
    """The second cell says what the page builds on and, with a link, where it leads."""
    before, after = neighbours(notebook)
    if before is None:
        return ["no line '*Builds on …; leads to …*' in the second cell"]
    return [] if before or after else ["'*Builds on …; leads to …*' has no link to a page"]


def neighbours(notebook: NotebookNode) -> tuple[list[str] | None, list[str] | None]:
    """The pages (as their last names) that a page builds on, and those it leads to."""
    match = PLACE.search(notebook.cells[1].source) if len(notebook.cells) > 1 else None
    if match is None:
        return None, None
    before, after = (
        [page.rpartition("/")[2] for page in PAGE_LINK.findall(match[side])]
        for side in ("before", "after")
    )
    return before, after


def sections_in_order(notebook: NotebookNode, slug: str) -> list[str]:
    """The sections of style.md are there, once, in order."""
    headings = re.findall(r"^## +(.+?)\s*$", outside_code(text_of(notebook)), re.M)
    kept = [
        section
        for heading in headings
        for section in SECTIONS
        if heading.casefold().startswith(section.casefold())
    ]
    missing = [section for section in SECTIONS if section not in kept]
    if missing:
        return [f"no section '## {section}'" for section in missing]
    return [] if kept == list(SECTIONS) else [f"sections out of order or repeated: {kept}"]


def no_long_cells(notebook: NotebookNode, slug: str) -> list[str]:
    """No code cell has more than thirty lines that are not blank."""
    lengths = {
        number: sum(bool(line.strip()) for line in cell.source.splitlines())
        for number, cell in code_cells(notebook)
    }
    return [f"cell {n} has {k} lines" for n, k in lengths.items() if k > LONGEST_CELL]


def imports_in_one_cell(notebook: NotebookNode, slug: str) -> list[str]:
    """Imports stand in the first code cell; none is a wildcard; `utils.nn` has one alias."""
    found = []
    first = True
    for number, cell in code_cells(notebook):
        if normalise.is_colab_cell(cell):
            continue
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.ImportFrom) and any(name.name == "*" for name in node.names):
                found.append(f"cell {number}: wildcard import")
            if isinstance(node, ast.Import | ast.ImportFrom) and not first:
                found.append(f"cell {number}: import outside the first code cell")
            if isinstance(node, ast.ImportFrom) and node.module == "utils":
                if any(x.name == "nn" and x.asname != "book_nn" for x in node.names):
                    found.append(f"cell {number}: `utils.nn` is `book_nn` on all pages")
        first = False
    return found


def nothing_is_left_to_fill_in(notebook: NotebookNode, slug: str) -> list[str]:
    """No mark stands in the text where its author meant to write something later."""
    marks = re.findall(r"@[A-Z][A-Z-]*[A-Z]@|\b(?:TODO|FIXME|XXX)\b", text_of(notebook))
    return [f"{mark} stands in the text" for mark in marks]


def labels_have_prefix(notebook: NotebookNode, slug: str) -> list[str]:
    """Labels start with the slug, after a word such as fig, eq, tab or sec, so none clashes."""
    labels = [
        next(filter(None, match.groups()))
        for match in LABEL.finditer(outside_code(text_of(notebook)))
    ]
    labels += [
        cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        for _, cell in code_cells(notebook)
    ]
    valid = re.compile(rf"(?:[a-z]{{2,4}}[-:])?{re.escape(slug)}(?:-[\w-]+)?")
    named = [label for label in labels if label]
    found = [f"label {label!r} lacks the prefix" for label in named if not valid.fullmatch(label)]
    return found + [f"label {label!r} twice" for label in {x for x in named if named.count(x) > 1}]


# ---------------------------------------------------------------------------------- exercises
def exercises_have_solutions(notebook: NotebookNode, slug: str) -> list[str]:
    """Four to seven exercises, each with one folded, executed solution of its own."""
    text = text_of(notebook)
    fence = r"^(?P<fence>[`:]{3,}) *\{exercise(?:-start)?\}(?P<body>.*?)^(?P=fence)"
    bodies = [match["body"] for match in re.finditer(fence, text, re.M | re.S)]
    labels = [match[1] for body in bodies if (match := re.search(r"^:label: *(\S+)", body, re.M))]
    starts = re.findall(r"\{solution-start\} *(\S+)(.*?)^[`:]{3,}", text, re.M | re.S)
    found = []
    if len(bodies) not in EXERCISES:
        found.append(f"{len(bodies)} exercises; four to seven are asked for")
    if len(labels) != len(bodies):
        found.append("an exercise without :label:")
    solved = [label for label, _ in starts]
    if sorted(solved) != sorted(labels):
        found.append(f"exercises {sorted(labels)} but solutions for {sorted(solved)}")
    found += [
        f"the solution of {label} is not folded (:class: dropdown)"
        for label, options in starts
        if not re.search(r"^:class:.*\bdropdown\b", options, re.M)
    ]
    if len(re.findall(r"\{solution-end\}", text)) != len(starts):
        found.append("not every {solution-start} has its {solution-end}")
    gated = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "markdown" and "{solution-start}" in cell.source
    ]
    between = normalise.solution_cells(notebook)
    if len(gated) != len(starts) or len(between) < len(starts):
        found.append("a solution has no code cell between its gates")
    for phrase in ("Predict, then run", "Find the bug"):
        if not any(phrase.casefold() in body.casefold() for body in bodies):
            found.append(f"no exercise of the kind '{phrase}'")
    return found


def stubs_and_solutions_agree(notebook: NotebookNode, slug: str) -> list[str]:
    """What a checker asks for has the same name, parameters and checker in stub and solution."""
    solutions = {id(cell) for cell in normalise.solution_cells(notebook)}
    asked, answered = {}, {}
    for _, cell in code_cells(notebook):
        for node in tree_of(cell).body:
            for decorator in getattr(node, "decorator_list", []):
                if ast.unparse(decorator).startswith("checked_by("):
                    side = answered if id(cell) in solutions else asked
                    side[node.name] = (ast.unparse(decorator), *signature(node))
    found = [f"no solution for the stub of {name}" for name in asked if name not in answered]
    for cell in normalise.solution_cells(notebook):
        for output in cell.outputs:
            said = output.get("data", {}).get("text/plain", "")
            if said.startswith("✗") and "@checked_by" in cell.source:
                found.append(f"a solution that its checker refuses: {said}")
    return found + [
        f"stub and solution of {name} differ: {asked[name]} and {answered[name]}"
        for name in asked
        if name in answered and asked[name] != answered[name]
    ]


def signature(node: ast.FunctionDef | ast.ClassDef) -> tuple[str, ...]:
    """The names of a function's parameters; of a class, those of its constructor."""
    if isinstance(node, ast.ClassDef):
        made = [m for m in node.body if getattr(m, "name", "") == "__init__"]
        return ("class", *(signature(made[0]) if made else ()))
    names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
    return (*names, *(argument.arg for argument in node.args.kwonlyargs))


# -------------------------------------------------------------------------------- stored outputs
def was_really_run(notebook: NotebookNode, slug: str) -> list[str]:
    """Code cells were run once each, from top to bottom, and none failed unexpectedly."""
    found = []
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        found.append(f"execution counts are {counts}, not 1, 2, 3, …: run tools/execute")
    for number, cell in code_cells(notebook):
        kinds = [output.output_type for output in cell.outputs]
        if "error" in kinds and "raises-exception" not in tags(cell):
            found.append(f"cell {number} has a stored error")
        if "raises-exception" in tags(cell) and "error" not in kinds:
            found.append(f"cell {number} is tagged raises-exception and has no stored error")
        if {"claim", "nbval-check-output"} & {*tags(cell)} and not kinds:
            found.append(f"cell {number} is to be compared and has no stored output")
        if "nbval-skip" in tags(cell) or re.search(r"#\s*NBVAL_", cell.source):
            found.append(f"cell {number} hides from nbval")
    return found


def shows_what_it_should(notebook: NotebookNode, slug: str) -> list[str]:
    """Alternative texts are there; no stderr, other hosts or addresses are in the outputs."""
    return normalise.problems(notebook)


def alternative_texts_say_something(notebook: NotebookNode, slug: str) -> list[str]:
    """An alternative text is a description and not a file name; pictures in Markdown have one."""
    found = []
    for number, cell in code_cells(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        if alt is not None and (len(alt.split()) < 4 or re.search(r"\.(png|svg|jpe?g)\b", alt)):
            found.append(f"cell {number}: alternative text says nothing: {alt!r}")
    for alt in re.findall(r"!\[(.*?)\]\(", text_of(notebook), re.S):
        if len(alt.split()) < 4:
            found.append(f"picture in Markdown: alternative text says nothing: {alt!r}")
    return found


def is_canonical(notebook: NotebookNode, slug: str) -> list[str]:
    """The notebook is as tools/normalise would write it."""
    before = normalise.dumps(notebook)
    again = book.nbformat.reads(before, as_version=4)
    normalise.normalise(again, slug, book.colab_cell())
    return [] if normalise.dumps(again) == before else ["not canonical: run tools/normalise"]


def within_budget(notebook: NotebookNode, slug: str) -> list[str]:
    """The stated run time is within the budget."""
    seconds = book.run_time(notebook) or 0
    allowed = LANGUAGE_BUDGET if slug in LANGUAGE else TIME_BUDGET
    return [f"runs for {seconds} s; {allowed} are allowed"] if seconds > allowed else []


# -------------------------------------------------------------------------------------- standard
def short_enough(notebook: NotebookNode, slug: str) -> list[str]:
    """Words, visible code above the trials, and the median cell are within their budgets."""
    words = len(text_of(notebook).split())
    visible = [cell for cell in before_trials(notebook) if not FOLDED & set(tags(cell))]
    lines = sum(line_count(cell) for cell in visible)
    sizes = sorted(
        line_count(cell) for _, cell in code_cells(notebook) if "colab" not in tags(cell)
    )
    median = sizes[len(sizes) // 2] if sizes else 0
    found = []
    if words > MOST_WORDS:
        found.append(f"{words} words; {MOST_WORDS} are allowed")
    if lines > MOST_VISIBLE_LINES:
        found.append(f"{lines} visible lines above 'On trial'; {MOST_VISIBLE_LINES} are allowed")
    if median > MEDIAN_CELL:
        found.append(f"the median cell has {median} lines; {MEDIAN_CELL} are allowed")
    return found


def line_count(cell: NotebookNode) -> int:
    """The lines of a cell that are not blank."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def before_trials(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells above the section *On trial*."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## +On trial", cell.source, re.M):
            break
        if cell.cell_type == "code":
            found.append(cell)
    return found


def says_it_in_short(notebook: NotebookNode, slug: str) -> list[str]:
    """The title cell ends with the page's answer, in a paragraph that begins *In short*."""
    source = notebook.cells[1].source if len(notebook.cells) > 1 else ""
    return [] if re.search(r"^\*\*In short\.\*\* \S", source, re.M) else ["no '**In short.** …'"]


def few_and_strong_trials(notebook: NotebookNode, slug: str) -> list[str]:
    """Three to eight trials, of the kind that varies its settings."""
    tried = [name for _, cell in code_cells(notebook) for name in trial_ids(cell)]
    found = [] if len(tried) in TRIALS else [f"{len(tried)} trials; three to eight are asked for"]
    return found


def has_a_diagram(notebook: NotebookNode, slug: str) -> list[str]:
    """A cell draws with `utils.diagrams`, and says in words what is shown."""
    drawing = {"diagrams"}
    for _, cell in code_cells(notebook):
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.ImportFrom) and node.module == "utils.diagrams":
                drawing |= {name.asname or name.name for name in node.names}
    for _, cell in code_cells(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        called = {
            ast.unparse(node.func).split(".")[0]
            for node in ast.walk(tree_of(cell))
            if isinstance(node, ast.Call)
        }
        # an animation carries its alternative text itself
        if drawing & called and (alt or "<img" in str(cell.outputs)):
            return []
    return ["no diagram: a cell that draws with utils.diagrams, with alternative text"]


def has_a_derivation(notebook: NotebookNode, slug: str) -> list[str]:
    """One exercise is for pencil and paper."""
    there = re.search(r"\{exercise(?:-start)?\}[^\n]*pencil and paper", text_of(notebook), re.I)
    return [] if there else ["no exercise called 'Pencil and paper'"]


def seeds_come_from_one_place(notebook: NotebookNode, slug: str) -> list[str]:
    """Nothing is seeded but through `utils`, which can move all seeds from outside."""
    by_hand = re.compile(
        r"\b(?:manual_seed|default_rng|RandomState|random\.seed)\(|random_state=(?!moved\()"
    )
    return [
        f"cell {number} seeds by hand: {match[0]}…"
        for number, cell in code_cells(notebook)
        if (match := by_hand.search(cell.source))
    ]


def no_targets_burst(notebook: NotebookNode, slug: str) -> list[str]:
    """No assignment to several targets spreads over lines: two statements read better."""
    found = []
    for number, cell in code_cells(notebook):
        for node in ast.walk(tree_of(cell)):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(t, ast.Tuple) for t in targets) and node.end_lineno > node.lineno:
                found.append(f"cell {number}, line {node.lineno}: several targets over lines")
    return found


def claim_cells_hold_one_trial(notebook: NotebookNode, slug: str) -> list[str]:
    """A cell tagged `claim` holds one trial with a literal id, and no other cell holds one."""
    found = []
    for number, cell in code_cells(notebook):
        ids = trial_ids(cell)
        if "claim" in tags(cell):
            if len(ids) != 1:
                found.append(f"claim cell {number} holds {len(ids)} trials with a literal id")
            if "nbval-check-output" not in tags(cell):
                found.append(f"claim cell {number} is not tagged nbval-check-output")
        elif ids:
            found.append(f"cell {number} tries {ids} and is not tagged claim")
    return found


def trial_ids(cell: NotebookNode) -> list[str]:
    """The ids in `trial("…")` of a code cell."""
    return [name for statement in statements_of([cell.source]) for name in trials_in(statement)]


CHECKS: tuple[Check, ...] = (
    first_cell_is_canonical,
    title_cell_is_complete,
    place_is_said,
    sections_in_order,
    nothing_is_left_to_fill_in,
    no_long_cells,
    imports_in_one_cell,
    labels_have_prefix,
    exercises_have_solutions,
    stubs_and_solutions_agree,
    was_really_run,
    shows_what_it_should,
    alternative_texts_say_something,
    is_canonical,
    within_budget,
    claim_cells_hold_one_trial,
)
# What old pages do not keep to yet.
STANDARD: tuple[Check, ...] = (
    short_enough,
    says_it_in_short,
    few_and_strong_trials,
    has_a_diagram,
    has_a_derivation,
    seeds_come_from_one_place,
    no_targets_burst,
)
