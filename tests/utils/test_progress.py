"""The progress bar yields everything and leaves nothing behind."""

import nbformat
from nbclient import NotebookClient

from utils.progress import progress


def test_it_yields_all_items_in_order(capsys, monkeypatch):
    monkeypatch.delenv("BOOK_PROGRESS", raising=False)
    assert list(progress(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""  # not a terminal: no bar


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("BOOK_PROGRESS", "0")
    assert list(progress(iter("abc"))) == ["a", "b", "c"]


def test_in_a_notebook_nothing_is_left(monkeypatch):
    monkeypatch.delenv("BOOK_PROGRESS", raising=False)
    source = (
        "import time\nfrom utils.progress import progress\n"
        "for i in progress(range(4), 'w'):\n    time.sleep(0.3)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    outputs = notebook.cells[0].outputs
    assert all(not output.get("data") and output.output_type != "stream" for output in outputs)
    assert outputs, "a bar that takes a second should have been shown"
