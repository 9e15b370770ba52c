"""tools/normalise and tools/execute do to a notebook what CONTRIBUTING.md says."""

from __future__ import annotations

import base64
import io
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tests.notebook_code import notebook_definitions
from tools import book, execute, normalise

SVG = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!-- Created with matplotlib (https://matplotlib.org/) -->
<svg xmlns="http://www.w3.org/2000/svg">
 <metadata><dc:date>2026-01-01T00:00:00</dc:date></metadata>
 <defs><clipPath id="p{0}"><rect/></clipPath><path id="m{1}"/></defs>
 <g clip-path="url(#p{0})"><use xlink:href="#m{1}"/></g>
</svg>"""


def png(mode: str = "RGB", colours: int = 4096) -> str:
    """A base64 PNG with that many colours."""
    image = Image.new("RGB", (64, 64))
    numbers = random.Random(0)
    palette = [tuple(numbers.randbytes(3)) for _ in range(colours)]
    image.putdata([palette[i % colours] for i in range(64 * 64)])
    stream = io.BytesIO()
    image.convert(mode).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


def opened(encoded: str) -> Image.Image:
    """The image in a base64 PNG."""
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def normalised(*cells: NotebookNode, slug: str = "page") -> NotebookNode:
    """A notebook of these cells in canonical form."""
    notebook = new_notebook(cells=list(cells))
    normalise.normalise(notebook, slug, book.colab_cell())
    return notebook


def messy() -> list[NotebookNode]:
    """Cells with all that normalising repairs."""
    streams = [new_output("stream", name="stdout", text=text) for text in ("one\n", "two\n")]
    figure = new_output(
        "display_data", {"image/png": png(), "image/svg+xml": SVG.format("0" * 10, "1" * 10)}
    )
    frame = f'<script>f = "data:image/png;base64,{png()}"</script>'
    movie = f'<img alt="x" id="_anim_img{"ab" * 16}">{frame}'
    return [
        new_markdown_cell("# A page  \n\nText. \n"),
        new_code_cell(
            "1   \n",
            outputs=streams,
            metadata={"execution": {"iopub.status.busy": "now"}, "collapsed": True},
        ),
        new_code_cell("draw()", outputs=[figure, new_output("display_data", {"text/html": movie})]),
        new_markdown_cell("```{solution-start} page-a\n```"),
        new_code_cell("2"),
        new_markdown_cell("```{solution-end}\n```"),
        new_code_cell("2"),
    ]


# ------------------------------------------------------------------------------------ normalise
def test_normalising_twice_changes_nothing_more() -> None:
    once = normalised(*messy())
    text = normalise.dumps(once)
    again = nbformat.reads(text, as_version=4)
    normalise.normalise(again, "page", book.colab_cell())
    assert normalise.dumps(again) == text


def test_random_ids_and_dates_do_not_survive() -> None:
    def with_ids(one: str, two: str) -> str:
        output = new_output("display_data", {"image/svg+xml": SVG.format(one, two)})
        return normalise.dumps(normalised(new_code_cell("draw()", outputs=[output])))

    assert with_ids("0123456789", "abcdef0123") == with_ids("fedcba9876", "9876543210")
    assert "2026-01-01" not in with_ids("0" * 10, "1" * 10)


def test_svg_references_still_meet_their_targets() -> None:
    svg = normalise.clean_svg(SVG.format("0123456789", "abcdef0123"), "page-1")
    assert 'id="p-page-1-0"' in svg
    assert "url(#p-page-1-0)" in svg
    assert 'xlink:href="#m-page-1-1"' in svg


def test_pngs_get_a_palette_once() -> None:
    small = normalise.quantise_png(png())
    assert opened(small).mode == "P"
    assert len(opened(small).getcolors() or []) <= normalise.COLOURS
    assert len(small) < len(png())
    assert normalise.quantise_png(small) == small


def test_a_transparent_png_stays_transparent() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 255, 255))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    small = opened(normalise.quantise_png(base64.b64encode(stream.getvalue()).decode()))
    assert small.convert("RGBA").getpixel((5, 5))[3] == 0
    assert small.convert("RGBA").getpixel((0, 0))[3] == 255


def test_streams_are_merged_blanks_stripped_and_timing_forgotten() -> None:
    cell = next(cell for cell in normalised(*messy()).cells if cell.source == "1")
    assert [output.text for output in cell.outputs] == ["one\ntwo\n"]
    assert cell.metadata == {}


def test_only_solutions_are_folded() -> None:
    inside, outside = [cell for cell in normalised(*messy()).cells if cell.source == "2"]
    assert inside.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert "jupyter" not in outside.metadata


def test_ids_are_kept_when_a_source_changes_and_made_unique() -> None:
    first = normalised(new_code_cell("1"), new_code_cell("1"))
    ids = [cell.id for cell in first.cells]
    assert len(set(ids)) == 3
    assert all(name.startswith("page-") for name in ids)
    first.cells[1].source = "one"
    normalise.normalise(first, "page", book.colab_cell())
    assert [cell.id for cell in first.cells] == ids


def test_there_is_one_colab_cell_at_the_top() -> None:
    notebook = normalised(*messy())
    notebook.cells.append(notebook.cells.pop(0))
    notebook.cells[-1].source = "old"
    normalise.normalise(notebook, "page", book.colab_cell())
    assert notebook.cells[0].source == book.colab_cell()
    assert sum(map(normalise.is_colab_cell, notebook.cells)) == 1


def test_check_names_what_differs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1  ")]), path)
    before = path.read_bytes()
    assert normalise.main(["--check", str(path)]) == 1
    assert "page.ipynb: not in canonical form" in capsys.readouterr().out
    assert path.read_bytes() == before
    assert normalise.main([str(path)]) == 0
    assert normalise.main(["--check", str(path)]) == 0


# ---------------------------------------------------------------------------------- Colab cell
def test_colab_cell_does_nothing_elsewhere() -> None:
    namespace: dict[str, object] = {}
    exec(book.colab_cell(), namespace)
    assert "subprocess" not in namespace


def test_colab_cell_pins_the_release_and_keeps_torch_and_numpy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[list[str]] = []
    stub = SimpleNamespace(run=lambda command, check: calls.append(command))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "subprocess", stub)
    exec(book.colab_cell(), {})
    helpers, peer = calls
    assert f"{book.repository_url()}/releases/download/v{book.version()}/" in " ".join(helpers)
    assert any(word.startswith("torch==") for word in helpers)
    assert any(word.startswith("numpy==") for word in helpers)
    assert peer[-2:] == ["--no-deps", book.peer_requirement()]


# -------------------------------------------------------------------------------------- execute
NEEDS = "# A page\n\nAdd.\n\n*Needs: nothing; runs in about N s on two CPU cores.*"


def test_outputs_and_time_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    cells = [new_markdown_cell(NEEDS), new_code_cell("import os\nos.path.basename(os.getcwd())")]
    nbformat.write(new_notebook(cells=cells), path)
    assert execute.main([str(path)]) == 0
    notebook = book.read(path)
    assert notebook.cells[2].outputs[0].data["text/plain"] == repr(tmp_path.name)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2]
    assert book.run_time(notebook) in (5, 10)
    assert normalise.main(["--check", str(path)]) == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "cell 2 raised ZeroDivisionError: division by zero"),
        ("import os\nos._exit(1)", "the kernel died in cell 2"),
    ],
)
def test_a_failing_notebook_is_named_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    path = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    assert message in capsys.readouterr().out
    assert path.read_bytes() == before


def test_a_device_that_is_absent_is_refused() -> None:
    import torch

    absent = [
        d for d in ("cuda", "mps") if not getattr(torch, d, torch.backends.mps).is_available()
    ]
    assert absent, "this machine has CUDA and MPS"
    with pytest.raises(SystemExit, match=f"has no {absent[0]} device"):
        execute.require_device(absent[0])


@pytest.mark.parametrize(
    ("measured", "stated", "expected"),
    [(12.4, None, 10), (1.0, None, 5), (24.0, 20, 20), (26.0, 20, 25), (14.0, 20, 15)],
)
def test_stated_time_changes_only_when_it_is_off(
    measured: float, stated: int | None, expected: int
) -> None:
    assert execute.stated_seconds(measured, stated) == expected


# ------------------------------------------------------------------------------- definitions
def test_definitions_are_taken_without_running_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    sources = [
        "%matplotlib inline\nimport torch\nfrom jaxtyping import Float\nfrom torch import Tensor",
        "Row = Float[Tensor, 'n']\nSCALE = 2.0\nresult = 1 / 0 if True else torch.ones(2)",
        "def double(x: Float[Tensor, 'n']) -> Float[Tensor, 'n']:\n    return SCALE * x\n"
        "class Value:\n    pass\nValue.double = double\nones = torch.ones(3)\nprint(double(ones))",
    ]
    cells = [new_code_cell(source) for source in sources]
    cells += [new_markdown_cell("## Exercises"), new_code_cell("def double(x):\n    return x")]
    nbformat.write(new_notebook(cells=cells), path)
    page = notebook_definitions(path, also=["ones"])
    import torch

    assert "result" not in page
    assert page["double"](page["ones"]).tolist() == [2.0, 2.0, 2.0]
    assert page["Value"].double is page["double"]
    with pytest.raises(Exception, match="double"):
        page["double"](torch.ones(2, 2))
    assert notebook_definitions(path, exercises=True)["double"](1) == 1
    with pytest.raises(KeyError, match="page assigns no nothing"):
        notebook_definitions(path, also=["nothing"])
