"""tools/normalise and tools/execute do to a notebook what CONTRIBUTING.md says."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import psutil
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tests.notebook_code import notebook_definitions
from tools import book, execute, lint, normalise, student
from utils import pages

ROOT = book.ROOT

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


@pytest.mark.parametrize("place", ["beside", "folder", "PYTHONPATH", "package", "nowhere"])
def test_colab_cell_finds_out_that_utils_is_not_the_book_s(place: str, tmp_path: Path) -> None:
    """A page downloaded alone, with another `utils` or none."""
    venv.create(tmp_path / "environment", symlinks=os.name != "nt")
    scripts = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    here = tmp_path / "here"
    here.mkdir()
    modules = {"beside": here, "PYTHONPATH": tmp_path / "modules"}.get(place)
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if place in ("folder", "package"):
        site = next((tmp_path / "environment").glob("[Ll]ib*/**/site-packages"))
        modules = (here if place == "folder" else site) / "utils"
        (modules / "other").mkdir(parents=True)
    if modules:
        modules.mkdir(exist_ok=True)
        name = "__init__.py" if place == "package" else "utils.py"
        (modules / name).write_text("raise SystemExit('imported')", encoding="utf-8")
    if place == "PYTHONPATH":
        variables["PYTHONPATH"] = str(modules)
    (here / "cell.py").write_text(book.colab_cell(), encoding="utf-8")
    done = subprocess.run(
        [scripts / "python", "cell.py"],
        cwd=here,
        env=variables,
        capture_output=True,
        encoding="utf-8",
    )
    *_, what, then = done.stderr.strip().splitlines()
    assert what.startswith("ImportError: This page needs the book's helpers;")
    expected = "`utils` is not here" if place == "nowhere" else f"`utils` is {modules}"
    assert expected in what
    assert re.search(r"Run %pip install https://\S+\.whl and .*restart the kernel", then)


def test_colab_cell_says_so_where_colab_s_installation_is_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file utils.py that somebody has uploaded to Colab."""
    (tmp_path / "utils.py").touch()
    stub = SimpleNamespace(run=lambda command, check: None)
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "subprocess", stub)
    monkeypatch.delitem(sys.modules, "utils", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=r"`utils` is .*utils\.py: rename or uninstall it"):
        exec(book.colab_cell(), {})


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


PUBLISH = """import torch
from utils.live import publish
publish("sum", {"w": torch.ones(1)}, label="A sum", about="Add two numbers.", check=[])"""


def test_weights_are_stored_with_a_page_that_ran_to_its_end(tmp_path: Path) -> None:
    path, weights = tmp_path / "page.ipynb", tmp_path / "live" / "sum.js"
    for sources, options, stored in (
        ([PUBLISH, "1 / 0"], [], False),
        ([PUBLISH], ["--dry-run"], False),
        ([PUBLISH], [], True),
    ):
        cells = [new_markdown_cell(NEEDS), *map(new_code_cell, sources)]
        nbformat.write(new_notebook(cells=cells), path)
        execute.main([str(path), *options])
        assert weights.exists() == stored
    assert weights.read_text(encoding="utf-8").startswith('bookLive.receive("sum", {')


DRAW = "from IPython.display import SVG\nSVG('<svg></svg>')"
HTML = 'from IPython.display import HTML\nHTML(\'<img alt="a cat" src="data:,">\')'
DESCRIBED = {"mystnb": {"image": {"alt": "a line from 0 to 1"}}}


@pytest.mark.parametrize(
    ("source", "now", "metadata", "message"),
    [
        (DRAW, "1", DESCRIBED, "its metadata (mystnb) describe a figure, and it shows none"),
        (DRAW, "1", {}, "of the pictures that are stored 1 came without"),
        (HTML, "1", DESCRIBED, "describe a figure, and it shows none"),
        (HTML, HTML.replace("a cat", ""), {}, "of the pictures that are stored 1 came without"),
        (
            "1",
            "try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()",
            {},
            "an error: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_page_without_its_figures_or_with_an_error_is_not_stored(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    now: str,
    metadata: dict[str, object],
    message: str,
) -> None:
    path = tmp_path / "page.ipynb"
    cells = [new_markdown_cell(NEEDS), new_code_cell(source, metadata=metadata)]
    nbformat.write(new_notebook(cells=cells), path)
    execute.main([str(path)])
    notebook = book.read(path)
    notebook.cells[2].source = now
    normalise.write(notebook, path)
    before = path.read_bytes()
    capsys.readouterr()
    assert execute.main([str(path)]) == 1
    said = capsys.readouterr().out
    assert f"{path}: not stored: cell 3" in said and message in said
    assert path.read_bytes() == before
    notebook.cells[2].source = source
    normalise.write(notebook, path)
    execute.main([str(path)])
    assert book.read(path).cells[2].outputs


@pytest.mark.parametrize("tool", [execute, normalise, student])
@pytest.mark.parametrize("content", [None, "", "{}", "[1]", "<<<<<<< HEAD"])
def test_what_is_no_notebook_is_named_in_one_line(
    tool: ModuleType, content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.ipynb"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert tool.main([str(path)]) in (1, 2)
    said = "".join(capsys.readouterr())
    assert str(path) in said and "Traceback" not in said


@pytest.fixture
def book_with_strays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one page, and beside it what editors and readers leave."""
    part = tmp_path / "chapters" / "cnn"
    part.mkdir(parents=True)
    (part / ".ipynb_checkpoints").mkdir()
    shutil.copy(book.ROOT / "chapters" / "cnn" / "lenet.ipynb", part)
    for name in ("lenet-Copy1", "Untitled", ".ipynb_checkpoints/lenet-checkpoint"):
        shutil.copy(part / "lenet.ipynb", part / f"{name}.ipynb")
    (part / "notes.ipynb").touch()
    toc = "root: intro\nchapters:\n  - file: chapters/cnn/lenet  # a page\n"
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf-8")
    monkeypatch.setattr(book, "ROOT", tmp_path)
    for function in (book.notebooks, book.strays, book.left_alone):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    return tmp_path


STRAYS = ["lenet-Copy1", "Untitled", "notes"]


def test_strays_are_left_alone_with_a_line(
    book_with_strays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [path.stem for path in book.chosen([])] == ["lenet"]
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines) == [
        f"{Path('chapters', 'cnn', name)}.ipynb is not in _toc.yml and is left alone"
        for name in sorted(STRAYS)
    ]


def test_the_wheel_and_check_leave_strays_alone_with_a_line(book_with_strays: Path) -> None:
    with pytest.warns(UserWarning, match="not in _toc.yml: left alone") as warned:
        found = pages.gather(book_with_strays / "chapters")
    assert list(found["pages"]) == ["cnn/lenet"]
    assert {entry["page"] for entry in found["exercises"].values()} == {"cnn/lenet"}
    assert len(warned) == len(STRAYS)


def test_a_broken_page_is_named(book_with_strays: Path) -> None:
    (book_with_strays / "chapters" / "cnn" / "lenet.ipynb").write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"lenet\.ipynb is no notebook"):
        pages.gather(book_with_strays / "chapters")


def test_nbval_leaves_strays_alone_with_a_line(book_with_strays: Path) -> None:
    """In a copy of what it needs, because it knows the book by the place of its own files."""
    for name in ("tools", "tests", "utils"):
        shutil.copytree(
            ROOT / name, book_with_strays / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "_config.yml"):
        shutil.copy(ROOT / name, book_with_strays)
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env"]
    command += ["--collect-only", "-q", "-p", "tests.conftest", "chapters"]
    done = subprocess.run(command, cwd=book_with_strays, capture_output=True, encoding="utf-8")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "chapters/cnn/lenet.ipynb" in said and "Untitled.ipynb::" not in said
    for name in STRAYS:
        assert f"{name}.ipynb is not in _toc.yml and is left alone" in said


def test_lint_leaves_strays_alone_with_a_line(
    book_with_strays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = book_with_strays / "chapters" / "cnn"
    (part / "lenet-Copy1.ipynb").rename(part / "lenet-Copy [1].ipynb")
    for name in ("pyproject.toml", "chapters/ruff.toml"):
        shutil.copy(ROOT / name, book_with_strays / name)
    assert lint.main() == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(STRAYS)
    (part.parent / "bad.py").write_text("import  os", encoding="utf-8")
    assert lint.main() == 1


def test_lint_checks_the_spelling_of_what_people_write(tmp_path: Path) -> None:
    first, second, third = ("eveiceR"[::-1], "derucco"[::-1], "het"[::-1])  # no mistakes here
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "a.py").write_text(f"# {first} it.\n", encoding="utf-8")
    cell = new_code_cell(f"x = 1  # {second}")
    cell.outputs = [new_output("stream", text=third)]  # a model wrote this
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "utils" / "b.ipynb")
    wrong = lint.misspelled(lint.written(tmp_path))
    assert [line.rpartition(": ")[2].split(" ==> ")[0] for line in wrong] == [first, second]


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


@pytest.mark.parametrize("last", ["pass", "raise ValueError", "import time; time.sleep(60)"])
def test_a_kernel_ends_with_its_notebook(tmp_path: Path, last: str) -> None:
    tell = f"import os, pathlib; pathlib.Path('kernel').write_text(str(os.getpid()))\n{last}"
    notebook = new_notebook(cells=[new_code_cell(tell)])
    with contextlib.suppress(execute.NotebookFailed):
        execute.run(notebook, tmp_path, timeout=3)
    assert not psutil.pid_exists(int((tmp_path / "kernel").read_text()))


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
