"""Changes are told: a verdict other than the last release's has an entry, also in the feed."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from playwright.sync_api import expect

from tests.site import book
from tests.site.conftest import Visit

ENTRY = re.compile(r"\{change\}`([\w-]+) (\w+) (\w+)`")
ATOM = "{http://www.w3.org/2005/Atom}"
CLAIMS, CHANGES, OLD = "chapters/claims.yml", "changes.md", "redirects.yml"


def git(root: Path, *arguments: str) -> str:
    """What a command of git prints; nothing where it fails."""
    run = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return run.stdout if run.returncode == 0 else ""


def verdicts(text: str) -> dict[str, str]:
    """The verdicts in a `claims.yml`, by claim."""
    return {claim["id"]: claim["verdict"] for claim in yaml.safe_load(text) or []}


def last_release(root: Path) -> str:
    """The newest tag of a release before what is checked out, or nothing."""
    return git(root, "describe", "--tags", "--abbrev=0", "--match", "v*").strip()


def untold(root: Path) -> list[str]:
    """Entries that `changes.md` lacks: of verdicts that are not those of the last release.

    And ids that the last release had and that lead nowhere now.
    """
    tag = last_release(root)
    if not tag:
        return []
    before = verdicts(git(root, "show", f"{tag}:{CLAIMS}"))
    now = verdicts((root / CLAIMS).read_text(encoding="utf-8"))
    entries = Counter(ENTRY.findall((root / CHANGES).read_text(encoding="utf-8")))
    entries -= Counter(ENTRY.findall(git(root, "show", f"{tag}:{CHANGES}")))
    turned = [(i, before[i], now[i]) for i in before.keys() & now.keys() if before[i] != now[i]]
    lacking = [
        f"{CHANGES} has no entry since {tag}: - {{change}}`{' '.join(entry)}`"
        for entry in sorted(turned)
        if entry not in entries
    ]
    return lacking + [f"{OLD} does not say where {i} leads" for i in lost(root, set(before))]


def lost(root: Path, once: set[str]) -> list[str]:
    """Which of the claims that there once were are neither in the ledger nor in `redirects.yml`."""
    old = yaml.safe_load((root / OLD).read_text(encoding="utf-8"))["claims"]
    known = {name for names in old.values() for name in names}
    return sorted(once - known - set(verdicts((root / CLAIMS).read_text(encoding="utf-8"))))


def test_every_verdict_that_changed_since_the_last_release_has_an_entry() -> None:
    assert untold(book.ROOT) == []


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A repository of a book with one claim, released as v1.0."""

    def commit(verdict: str, changes: str, *claims: str) -> None:
        (tmp_path / "chapters").mkdir(exist_ok=True)
        listed = [{"id": name, "verdict": verdict} for name in claims]
        (tmp_path / CLAIMS).write_text(yaml.safe_dump(listed), encoding="utf-8")
        (tmp_path / CHANGES).write_text(changes, encoding="utf-8")
        (tmp_path / OLD).write_text("{pages: {}, claims: {}}", encoding="utf-8")
        git(tmp_path, "add", "-A")
        git(tmp_path, *author, "commit", "-m", "An edition")

    author = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    git(tmp_path, "init", "-q")
    commit("refuted", "- {change}`a-claim supported refuted` An older change.", "a-claim")
    git(tmp_path, "tag", "v1.0")
    commit("supported", (tmp_path / CHANGES).read_text(encoding="utf-8"), "a-claim", "another")
    return tmp_path


def test_a_verdict_that_changed_without_an_entry_is_found(released: Path) -> None:
    lacking = "changes.md has no entry since v1.0: - {change}`a-claim refuted supported`"
    assert untold(released) == [lacking]
    page = released / CHANGES
    older = page.read_text(encoding="utf-8")
    page.write_text(f"- {{change}}`a-claim refuted depends`\n{older}", encoding="utf-8")
    assert untold(released) == [lacking]  # an entry of another change
    page.write_text(f"- {{change}}`a-claim refuted supported`\n{older}", encoding="utf-8")
    assert untold(released) == []
    (released / CLAIMS).write_text("[{id: a-claim, verdict: refuted}]", encoding="utf-8")
    assert untold(released) == []
    (released / CLAIMS).write_text("[{id: a-claim, verdict: depends}]", encoding="utf-8")
    assert len(untold(released)) == 1


def test_a_claim_that_vanished_is_found(released: Path) -> None:
    (released / CLAIMS).write_text("[]", encoding="utf-8")
    assert untold(released) == ["redirects.yml does not say where a-claim leads"]
    (released / OLD).write_text("{pages: {}, claims: {a/page: [a-claim]}}", encoding="utf-8")
    assert untold(released) == []


def test_the_older_entry_of_the_same_change_does_not_count(released: Path) -> None:
    git(released, "tag", "v1.1")
    (released / CLAIMS).write_text("[{id: a-claim, verdict: refuted}]", encoding="utf-8")
    (released / OLD).write_text("{pages: {}, claims: {p: [another]}}", encoding="utf-8")
    assert untold(released) == [
        "changes.md has no entry since v1.1: - {change}`a-claim supported refuted`"
    ]


def test_every_claim_that_there_ever_was_leads_somewhere() -> None:
    history = git(book.ROOT, "log", "-p", "--format=", "--", CLAIMS)
    assert lost(book.ROOT, set(re.findall(r"^[-+]- id: ([\w-]+)$", history, re.M))) == []


def test_every_page_that_there_ever_was_leads_somewhere() -> None:
    history = git(book.ROOT, "log", "-p", "--format=", "--", "_toc.yml")
    once = set(re.findall(r"^[-+] +- file: (\S+)$", history, re.M))
    moved = yaml.safe_load((book.ROOT / OLD).read_text(encoding="utf-8"))["pages"]
    assert set(moved.values()) <= set(book.pages())
    assert once - set(book.pages()) - set(moved) == set()
    assert not set(moved) & set(book.pages())


def test_a_page_that_has_moved_leads_to_the_new_one() -> None:
    from book_redirects import moved

    page = moved("chapters/cnn/old", "chapters/attention/new", "A book", "https://example.org/b/")
    assert 'content="0; url=../attention/new.html"' in page
    assert 'rel="canonical" href="https://example.org/b/chapters/attention/new.html"' in page
    assert 'url=chapters/new.html"' in moved("old", "chapters/new", "A book", "https://e.org/")


def test_changes_lead_to_their_claims(tab: Visit) -> None:
    text = (book.ROOT / CHANGES).read_text(encoding="utf-8")
    page = tab.open("changes")
    links = page.locator(".verdict-change a").evaluate_all(
        "all => all.map((a) => a.getAttribute('href'))"
    )
    assert links == [f"claims.html#claim-{claim}" for claim, _, _ in ENTRY.findall(text)]
    assert links
    page.locator(".verdict-change a").first.click()
    expect(page.locator(f"#{links[0].split('#')[1]}")).to_be_in_viewport()


def test_the_feed_says_what_the_page_says() -> None:
    assert not book.what_is_wrong_with_the_build()
    feed = ElementTree.parse(book.BUILT / "changes.xml").getroot()
    page = (book.ROOT / CHANGES).read_text(encoding="utf-8")
    titles = re.findall(r"^## (\d+ \w+ \d{4}): (.+)$", page, re.M)
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [title for _, title in titles]
    dates = [entry.findtext(f"{ATOM}updated") or "" for entry in entries]
    assert dates == sorted(dates, reverse=True), "newest first"
    assert feed.findtext(f"{ATOM}updated") == dates[0]
    for entry in entries:
        link = entry.find(f"{ATOM}link")
        assert link is not None
        anchor = link.attrib["href"].partition("changes.html#")[2]
        assert anchor in book.document("changes").ids
        content = entry.findtext(f"{ATOM}content") or ""
        targets = re.findall(r'href="([^"]*)"', content)
        assert targets
        assert all(target.startswith("https://") for target in targets)


@pytest.mark.parametrize("name", ["intro", "changes", "chapters/cnn/lenet"])
def test_pages_announce_the_feed(tab: Visit, name: str) -> None:
    page = tab.open(name)
    link = page.locator('link[rel="alternate"][type="application/atom+xml"]')
    assert (link.get_attribute("href") or "").endswith(f"{book.published_path()}changes.xml")
