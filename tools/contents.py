"""Write the README's table of contents from the notebooks: titles, links and run times.

tools/contents              rewrite the table between its two marks
tools/contents --check      exit with 1 if it is not what the notebooks say
"""

from __future__ import annotations

import argparse
import re
import sys

from tools import book

README = book.ROOT / "README.md"
BEGIN, END = "<!-- contents: made by tools/contents -->", "<!-- end of contents -->"


def table() -> str:
    """The table in Markdown: the written notebooks in the order of the book, by part."""
    rows = [
        "| Part | Notebook | Claims on trial | Run time on two CPU cores |",
        "|---|---|---|---|",
    ]
    paths = {f"{path.parent.name}/{path.stem}": path for path in book.notebooks()}
    claims = [claim["page"] for claim in book.claims()]
    seconds_in_all = 0
    for page in book.toc_pages():
        if page not in paths:
            continue
        part = book.PART_TITLES[page.split("/")[0]]
        notebook = book.read(paths[page])
        seconds = book.run_time(notebook)
        seconds_in_all += seconds or 0
        link = f"[{book.title(notebook)}](chapters/{page}.ipynb)"
        rows.append(f"| {part} | {link} | {claims.count(page)} | {seconds} s |")
    rows.append(f"| | **together** | **{len(claims)}** | **{seconds_in_all} s** |")
    return "\n".join(rows)


def with_table(readme: str) -> str:
    """The README's text with the table as it should be."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)
    if not pattern.search(readme):
        raise SystemExit(f"README.md has no marks {BEGIN} ... {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{table()}\n{END}", readme)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tools/contents", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    before = README.read_text(encoding="utf-8")
    after = with_table(before)
    if before == after:
        return 0
    if options.check:
        print("README.md: the table of contents is old; run tools/contents")
        return 1
    README.write_text(after, encoding="utf-8", newline="\n")
    print("README.md: table of contents rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
