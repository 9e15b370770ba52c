"""Bring notebooks into canonical form, so that a change on disk is a change that somebody made.

    tools/normalise chapters/cnn/lenet.ipynb ...     rewrite what differs
    tools/normalise --check                          name what differs, write nothing

Without paths, all notebooks of the book. Stored cards get the words of `chapters/claims.yml`. What
cannot be repaired (a figure without alternative text, a warning left in the stored output) is
reported, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from tools import book, cards
from utils.claims.record import load_claims

COLOURS = 128
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
VOLATILE_CELL_METADATA = ("execution", "ExecuteTime", "collapsed", "scrolled", "id", "trusted")
COLAB_TAGS = ["colab", "remove-cell"]
FIGURE_TYPES = ("image/png", "image/svg+xml", "image/jpeg")
NAMED_IMAGE = re.compile(r"""<img\b[^>]*\balt=["']\s*[^"'\s]""")
EMBEDDED_PNG = re.compile(r"data:image/png;base64,((?:[A-Za-z0-9+/=]|\\?\n)+)")


# ---------------------------------------------------------------------------------- outputs
def quantise_png(encoded: str) -> str:
    """Reduce a base64 PNG to a palette of 128 colours; a palette image comes back as it is."""
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    if image.mode == "P":
        return encoded.strip()
    if image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema() != (255, 255):
        method = Image.Quantize.FASTOCTREE  # the only one that keeps transparency
        palette = image.convert("RGBA").quantize(COLOURS, method=method)
    else:
        rgb = image.convert("RGB")
        palette = rgb.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    palette.save(stream, format="PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def clean_svg(svg: str, cell_id: str) -> str:
    """Take dates and random ids out of an SVG; ids become unique in the page as well."""
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"\s*<!-- Created with .*?-->", "", svg, flags=re.S)
    found = re.findall(r'\bid="([A-Za-z]\w*?)([0-9a-f]{10})"', svg)
    names = {p + h: f"{p}-{cell_id}-{i}" for i, (p, h) in enumerate(dict.fromkeys(found))}
    if names:
        pattern = r"\b(" + "|".join(map(re.escape, names)) + r")\b"
        svg = re.sub(pattern, lambda match: names[match[1]], svg)
    return "\n".join(line.rstrip() for line in svg.strip().splitlines()) + "\n"


def clean_html(html: str, cell_id: str) -> str:
    """Quantise the frames of an animation and give its elements ids that stay the same."""
    html = EMBEDDED_PNG.sub(
        lambda match: "data:image/png;base64," + quantise_png(re.sub(r"[\\\n]", "", match[1])), html
    )
    if "_anim_" in html:
        anchors = dict.fromkeys(re.findall(r"_anim_img([0-9a-f]{32})\b", html))
        for index, anchor in enumerate(anchors):
            stable = hashlib.md5(f"{cell_id}/{index}".encode(), usedforsecurity=False).hexdigest()
            html = html.replace(anchor, stable)
    return html


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join pieces of the same stream that follow each other."""
    merged: list[NotebookNode] = []
    for output in outputs:
        before = merged[-1] if merged else None
        if (
            before is not None
            and output.output_type == before.output_type == "stream"
            and output.name == before.name
        ):
            before.text += output.text
        else:
            merged.append(output)
    return merged


def clean_outputs(cell: NotebookNode) -> None:
    """Make the stored outputs of a code cell the same on every run that shows the same."""
    cell.outputs = merge_streams(cell.outputs)
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count
        if output.output_type == "error":
            # Frames of installed files name the author's folders; the cell's own frames teach.
            output.traceback = [
                frame
                for frame in output.traceback
                if not re.search(r"File\S*\s+\S*(?:[~/\\]|[A-Z]:)", frame.split("\n", 1)[0])
            ]
        data = output.get("data", {})
        if "image/png" in data:
            data["image/png"] = quantise_png(data["image/png"])
        if "image/svg+xml" in data:
            data["image/svg+xml"] = clean_svg(data["image/svg+xml"], cell.id)
        if "text/html" in data:
            data["text/html"] = clean_html(data["text/html"], cell.id)


# ------------------------------------------------------------------------------------ cells
def give_ids(notebook: NotebookNode, slug: str) -> None:
    """Name each cell `<slug>-<8 hex digits>` unless it has such a name; derive it from the source.

    The slug makes an id unique in the book. A name that a cell has is kept when its source
    changes, so links and reviews that point to it stay right.
    """
    taken: set[str] = set()
    valid = re.compile(rf"{re.escape(slug)}-(?:[0-9a-f]{{8}}|colab)")
    fresh = []
    for cell in notebook.cells:
        is_colab = is_colab_cell(cell)
        if is_colab:
            cell.id = f"{slug}-colab"
        if valid.fullmatch(cell.get("id", "")) and cell.id not in taken:
            if is_colab or not cell.id.endswith("-colab"):
                taken.add(cell.id)
                continue
        fresh.append(cell)
    for cell in fresh:
        attempt = 0
        while True:
            text = f"{cell.cell_type}/{attempt}/{cell.source}"
            digest = hashlib.sha256(text.encode()).hexdigest()[:8]
            if (name := f"{slug}-{digest}") not in taken:
                break
            attempt += 1
        cell.id = name
        taken.add(name)


def is_colab_cell(cell: NotebookNode) -> bool:
    """Whether a cell is the one that `tools/normalise` writes at the top."""
    return cell.cell_type == "code" and "colab" in cell.metadata.get("tags", [])


def put_colab_cell(notebook: NotebookNode, source: str) -> None:
    """Make the canonical Colab cell the first one, and the only one of its kind."""
    existing = [cell for cell in notebook.cells if is_colab_cell(cell)]
    rest = [cell for cell in notebook.cells if not is_colab_cell(cell)]
    cell = existing[0] if existing else nbformat.v4.new_code_cell()
    cell.source = source
    cell.metadata = NotebookNode(tags=list(COLAB_TAGS))
    cell.outputs = []
    notebook.cells = [cell, *rest]


def solution_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells between `{solution-start}` and `{solution-end}`."""
    inside, found = False, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for gate in re.findall(r"\{solution-(start|end)\}", cell.source):
                inside = gate == "start"
        elif inside and cell.cell_type == "code":
            found.append(cell)
    return found


def normalise(notebook: NotebookNode, slug: str, colab_source: str) -> None:
    """Bring a notebook into canonical form, in place."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    kept = {key: notebook.metadata[key] for key in ("mystnb",) if key in notebook.metadata}
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(KERNELSPEC), language_info=NotebookNode(LANGUAGE_INFO), **kept
    )
    put_colab_cell(notebook, colab_source)
    for cell in notebook.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").split("\n"))
        for key in VOLATILE_CELL_METADATA:
            cell.metadata.pop(key, None)
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "markdown" and not cell.get("attachments", True):
            del cell["attachments"]
    notebook.cells = [cell for cell in notebook.cells if cell.source or cell.get("outputs")]
    give_ids(notebook, slug)
    for cell in solution_cells(notebook):
        cell.metadata["jupyter"] = NotebookNode(source_hidden=True, outputs_hidden=True)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            clean_outputs(cell)
    cards.word_cards(notebook, load_claims())
    nbformat.validate(notebook)


# --------------------------------------------------------------------------------- problems
def shows_picture(output: NotebookNode) -> bool:
    """Whether an output is a figure, or HTML with an image that says what it is."""
    data = output.get("data", {})
    return bool(data.keys() & set(FIGURE_TYPES) or NAMED_IMAGE.search(data.get("text/html", "")))


def failures(notebook: NotebookNode) -> list[str]:
    """What was run and did not come to what its metadata say: errors, and figures without one."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code" or cell.execution_count is None:
            continue
        where = f"cell {number} ({cell.get('id', 'no id')})"
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get(
                "tags", []
            ):
                found.append(f"{where}: an error: {output.ename}: {output.evalue}")
        described = {"figure", "image"} & cell.metadata.get("mystnb", {}).keys()
        if described and not any(map(shows_picture, cell.outputs)):
            found.append(f"{where}: its metadata (mystnb) describe a figure, and it shows none")
    return found


def problems(notebook: NotebookNode) -> list[str]:
    """What normalising cannot repair, one sentence each."""
    found = failures(notebook)
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        where = f"cell {number} ({cell.get('id', 'no id')})"
        figure = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                first = output.text.strip().splitlines() or [""]
                found.append(f"{where}: stored output holds stderr: {first[0][:100]}")
            data = output.get("data", {})
            if not figure and any(kind in data for kind in FIGURE_TYPES):
                found.append(f"{where}: figure without alternative text (mystnb.image.alt)")
            html = data.get("text/html", "")
            for image in re.findall(r"<img\b[^>]*>", html):
                if not NAMED_IMAGE.match(image):
                    found.append(f"{where}: <img> in HTML without alternative text")
            if re.search(r"""<(?:script|link|img|iframe)\b[^>]*(?:src|href)=["']?\w*:?//""", html):
                found.append(f"{where}: HTML that asks another host for something")
            plain = output.get("text", "") + data.get("text/plain", "")
            if not set(data) & {*FIGURE_TYPES, "text/html"} and re.search(
                r" at 0x[0-9a-f]{6,}", plain
            ):
                found.append(f"{where}: output shows a memory address; end a plot with plt.show()")
    return found


def dumps(notebook: NotebookNode) -> str:
    """The notebook as text, as it is stored."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write(notebook: NotebookNode, path: Path) -> None:
    """Store a notebook with LF line ends on every system."""
    path.write_text(dumps(notebook), encoding="utf-8", newline="\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/normalise", description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks (default: all of the book)")
    parser.add_argument("--check", action="store_true", help="write nothing, name what differs")
    options = parser.parse_args(arguments)
    source = book.colab_cell()
    failed = False
    for path in book.chosen(options.paths):
        try:
            notebook = book.read(path)
        except book.NotANotebook as error:
            failed = True
            print(error)
            continue
        before = path.read_text(encoding="utf-8")
        normalise(notebook, path.stem, source)
        if dumps(notebook) != before:
            if options.check:
                failed = True
                print(f"{path}: not in canonical form; run tools/normalise {path}")
            else:
                write(notebook, path)
                print(f"{path}: rewritten")
        for problem in problems(notebook):
            failed = True
            print(f"{path}: {problem}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
