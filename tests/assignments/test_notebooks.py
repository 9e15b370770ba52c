"""What students hand in, in all its shapes: read as cells, or refused with a reason."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import pytest

from grading import magics, notebooks
from grading.notebooks import Unreadable, cells

CODE = ["# größer, 更大\nx = 1", "y = 2"]


def notebook(sources: list[Any] = CODE, **more: Any) -> str:
    """A notebook with these code cells, a text before each."""
    text = {"cell_type": "markdown", "source": "Größer, 更大", "metadata": {}}
    code = [{"cell_type": "code", "source": s, "metadata": {}, "outputs": []} for s in sources]
    both = [cell for c in code for cell in (text, c)]
    content = {"cells": both, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}
    return json.dumps(content, ensure_ascii=False)


def zipped(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def sources(data: bytes, name: str = "jane.ipynb") -> list[str]:
    return [cell["source"] for cell in cells(data, name)]


PLAIN = notebook()
CRLF = notebook([["x = '''a\r\n", "b'''\r\n", "y = 2"]])
OLD = {
    "nbformat": 3,
    "worksheets": [
        {
            "cells": [
                {"cell_type": "heading", "level": 1, "source": "Homework"},
                {"cell_type": "code", "input": ["x = 1\n", "z = 3"], "language": "python"},
                {"cell_type": "code", "input": "y = 2", "outputs": []},
            ]
        }
    ],
}
ODD = json.loads(notebook(["x = 1", 5, ["y = ", None, "2"], "", "z = 3"]))
ODD["cells"] += [{"cell_type": "code"}, {}, 7, {"cell_type": "raw", "source": "no"}]

# shapes in which the two cells of CODE arrive
WHOLE: dict[str, bytes] = {
    "utf-8": PLAIN.encode(),
    "bom": PLAIN.encode("utf-8-sig"),
    "utf-16": PLAIN.encode("utf-16"),
    "utf-16-be": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "utf-16-without-a-bom": PLAIN.encode("utf-16-le"),
    "zeros-at-the-end": PLAIN.encode() + bytes(4096),
    "outputs": notebook(more={"outputs": ["x" * 10_000_000]}).encode(),
    "zip": zipped({"jane.ipynb": PLAIN, "jane.pdf": "%PDF", "notes.txt": "hello"}),
    "checkpoints": zipped(
        {
            "hw/jane.ipynb": PLAIN,
            "hw/.ipynb_checkpoints/jane-checkpoint.ipynb": "{}",
            "hw/._jane.ipynb": b"\0\5\x16\7",
            "__MACOSX/hw/._jane.ipynb": b"\0\5\x16\7",
            ".hidden.ipynb": "{}",
        }
    ),
    "upper-case": zipped({"JANE.IPYNB": PLAIN}),
    "second-ending": zipped({"jane.ipynb.txt": PLAIN}),
    "backslashes": zipped({"hw\\jane.ipynb": PLAIN, "hw\\.ipynb_checkpoints\\jane.ipynb": "{}"}),
    "the-same-twice": zipped({"jane.ipynb": PLAIN, "jane (1).ipynb": PLAIN}),
    "lzma": zipped({"jane.ipynb": PLAIN}, zipfile.ZIP_LZMA),
    "name-not-ascii": zipped({"作业/größe.ipynb": PLAIN}),
}


@pytest.mark.parametrize("shape", WHOLE)
def test_every_usual_shape_is_read(shape: str) -> None:
    assert sources(WHOLE[shape]) == CODE


def test_encodings_of_old_editors() -> None:
    german, chinese = "# für größere Übungen\nx = 1", "# 更大，誠\nx = 1"
    for source, encoding in ((german, "latin-1"), (chinese, "gb18030")):
        data = json.dumps({"cells": [{"cell_type": "code", "source": source}]}, ensure_ascii=False)
        assert sources(data.encode(encoding)) == [source]


def test_old_and_odd_notebooks() -> None:
    assert sources(json.dumps(OLD).encode()) == ["x = 1\nz = 3", "y = 2"]
    odd = cells(json.dumps(ODD).encode(), "odd.ipynb")
    assert [(cell["number"], cell["source"]) for cell in odd] == [
        (1, "x = 1"),
        (3, "y = 2"),
        (5, "z = 3"),
    ]
    assert sources(CRLF.encode()) == ["x = '''a\nb'''\ny = 2"]
    assert sources(b'{"cells": []}') == []
    assert sources(b'{"cells": [{"cell_type": "code", "source": "s = \'\\ud83d\'"}]}') == [
        "s = '\ufffd'"
    ]


def test_numbers_count_all_code_cells_and_what_is_dropped_is_told() -> None:
    data = notebook(["import otter", "!ls\nx = 1", "%%html\n<b>", "%matplotlib inline"]).encode()
    assert [(c["number"], c["source"], c["left_out"]) for c in cells(data, "x.ipynb")] == [
        (1, "import otter", []),
        (2, "pass\nx = 1", ["!ls"]),
        (3, "", ["%%html"]),
        (4, "pass", ["%matplotlib inline"]),
    ]


DEEP = b'{"cells": ' + b"[" * 1_000_000
CUT = zipped({"jane.ipynb": PLAIN * 50})
FLIPPED = bytearray(zipped({"jane.ipynb": PLAIN * 50}))
FLIPPED[60:90] = b"\xff" * 30
PASSWORD = bytearray(zipped({"jane.ipynb": PLAIN}))
PASSWORD[6] |= 1
PASSWORD[PASSWORD.index(b"PK\1\2") + 8] |= 1

# bytes, name → words of the reason
REFUSED: dict[str, tuple[bytes, str, list[str]]] = {
    "empty": (b"", "jane.ipynb", ["jane.ipynb is not a notebook", "empty"]),
    "zeros": (bytes(1000), "jane.ipynb", ["empty"]),
    "script": (b"import torch\n", "jane.py", ["Python script", "Hand in the notebook itself"]),
    "pdf": (b"%PDF-1.4 \xff", "jane.pdf", ["PDF", ".ipynb"]),
    "web-page": (b"<!DOCTYPE html><html></html>", "jane.html", ["web page"]),
    "picture": (b"\x89PNG\r\n\x1a\n", "jane.ipynb", ["not a notebook", "picture"]),
    "rar": (b"Rar!\x1a\x07", "jane.rar", ["another kind than zip"]),
    "conflict": (
        b'{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> theirs\n]}',
        "jane.ipynb",
        ["conflict"],
    ),
    "cut-off": (PLAIN.encode()[:-40], "jane.ipynb", ["cut off or damaged"]),
    "deep": (DEEP, "jane.ipynb", ["not a notebook"]),
    "list": (b"[1, 2]", "jane.ipynb", ["not a notebook", "JSON of another kind"]),
    "no-cells": (b'{"name": "x"}', "package.json", ["JSON of another kind"]),
    "cells-of-another-kind": (b'{"cells": {"a": 1}}', "x.ipynb", ["JSON of another kind"]),
    "cut-zip": (CUT[:-40], "jane.zip", ["jane.zip is not a zip file", "damaged"]),
    "corrupt-zip": (bytes(FLIPPED), "jane.zip", ["jane.zip is damaged"]),
    "password": (bytes(PASSWORD), "jane.zip", ["password"]),
    "several": (
        zipped({"a/draft.ipynb": PLAIN, "final.ipynb": notebook(["x = 2"])}),
        "jane.zip",
        ["2 notebooks; one is expected", "a/draft.ipynb, final.ipynb"],
    ),
    "hundred": (
        zipped({f"{i}.ipynb": notebook([f"x = {i}"]) for i in range(100)}),
        "jane.zip",
        ["more than 5 notebooks"],
    ),
    "none": (zipped({"hw.txt": "attached"}), "jane.zip", ["0 notebooks", "hw.txt"]),
    "nothing": (zipped({}), "jane.zip", ["0 notebooks", "nothing"]),
    "document": (zipped({"[Content_Types].xml": "<x/>"}), "jane.docx", ["0 notebooks"]),
    "outside": (zipped({"../../jane.ipynb": PLAIN}), "jane.zip", ["outside itself"]),
    "many-files": (zipped({f"{i}.txt": "" for i in range(501)}), "jane.zip", ["501 files"]),
    "many-cells": (notebook([""] * 2001).encode(), "jane.ipynb", ["2001 code cells"]),
    "much-code": (notebook(["x" * (3 << 20)]).encode(), "jane.ipynb", ["2 MB of code"]),
    "bomb": (zipped({"jane.ipynb": bytes(65 << 20)}), "jane.zip", ["larger than 64 MB"]),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_the_rest_is_refused_with_a_reason(shape: str) -> None:
    data, name, words = REFUSED[shape]
    with pytest.raises(Unreadable) as caught:
        cells(data, name)
    assert not [word for word in words if word not in str(caught.value)], caught.value


# what a cell says, what runs, what is left out
MAGICS: dict[str, tuple[str, str, list[str]]] = {
    "plain": ("x = '''\n%time\n'''", "x = '''\n%time\n'''", []),
    "a-format": ("%time x\nprint('a=%d' % 3)", "x\nprint('a=%d' % 3)", []),
    "a-remainder": ("%time x\ny = (1\n% 2)", "x\ny = (1\n% 2)", []),
    "assigned": ("x = !ls -l", "x = []", ["x = !ls -l"]),
    "assigned-magic": ("x = %who_ls", "x = None", ["x = %who_ls"]),
    "continued": ("!pip install a \\\n  b\nx = 1", "pass\n\nx = 1", ["!pip install a    b"]),
    "joined": ("!ls\nx = 1 + \\\n% 2", "pass\nx = 1 + \\\n% 2", ["!ls"]),
    "quote-in-a-command": ("!echo it's\nx = 1", "pass\nx = 1", ["!echo it's"]),
    "help": ("x?\n?x\ny = 1", "pass\npass\ny = 1", ["x?", "?x"]),
    "automatic": ("pip install torch\nx = 1", "pass\nx = 1", ["pip install torch"]),
    "options": ("%timeit -n 10 -r3 -q f(-1)", "f(-1)", []),
    "setup": ("%%timeit -n 1 x = 3\nf(x)", "x = 3\nf(x)", []),
    "foreign": ("%%bash\nls 'it''s'", "", ["%%bash"]),
    "unknown-foreign": ("%%sql\nselect * from a", "", ["%%sql"]),
    "prompt": (">>> for i in x:\n...     y = i", "for i in x:\n    y = i", []),
    "pylab": ("%pylab inline", magics.PYLAB, []),
    "no-python": ("def f(:", "def f(:", []),
    "file": ("%%writefile a.py\nx = 1", "open('a.py', 'w', encoding='utf-8').write('x = 1')", []),
}  # fmt: skip


@pytest.mark.parametrize("case", MAGICS)
def test_magics_become_python(case: str) -> None:
    source, python, left_out = MAGICS[case]
    assert magics.python(source) == (python, left_out)


@pytest.mark.parametrize(
    "source",
    [
        "%time x = 1\n" + "\n" * 110_000,
        "%time x = 1\n" * 100_000,
        "!echo hi\n" * 100_000,
        "%%time\n" * 3000,
        "%%nothing\n" * 3000,
        "%x\n" + " " * 1_000_000 + "\n%x",
        "%x\n" + "a " * 500_000,
        "%x\n" + '"' * 1_000_001,
        "%x\n" + "'''a" * 300_000,
        "%x\n" + "(" * 1_000_000,
        "%timeit " + "-n 1 " * 200_000,
        "!a \\\n" * 200_000,
        "=%" * 500_000,
        "%x\n" + "a=" * 500_000,
    ],
    ids=lambda source: repr(source[:12]),
)
def test_time_grows_with_the_size_of_a_cell(source: str) -> None:
    started = time.process_time()
    magics.python(source)
    assert time.process_time() - started < 5


def test_what_was_dropped_is_bounded() -> None:
    _, left_out = magics.python("!echo hi\n" * 600 + "!" + "x" * 1000)
    assert len(left_out) == magics.MOST
    assert all(len(line) <= magics.LONGEST for line in left_out)
    assert notebooks.CODE < 64 << 20
