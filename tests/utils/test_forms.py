"""The public checks of a form answer in words."""

import pytest

from utils.forms import Checks

TEXT = """
def test_doubles(double):
    from utils import assert_close
    assert_close(double(2.0), 4.0)

def test_refuses_text(double, triple):
    assert triple(1) == 3, "three times"
"""


def test_what_is_told() -> None:
    names: dict[str, object] = {}
    grader = Checks(names, {"q1": TEXT})
    assert repr(grader.check("q1")) == "○ q1: there is no double yet. Run the cell that defines it."
    names["double"] = lambda x: ...
    assert repr(grader.check("q1")).startswith("○ q1: nothing here yet")
    names["double"] = lambda x: 2 * x
    assert "there is no triple yet" in repr(grader.check("q1"))
    names["triple"] = lambda x: x
    assert repr(grader.check("q1")).startswith("✗ q1: three times")
    names["triple"] = lambda x: 3 * x
    assert repr(grader.check("q1")).startswith("✓ q1: the public checks hold")
    assert repr(grader.check_all()) == repr(grader.check("q1"))
    assert grader.check_all()._repr_html_().count("<div") == 1


def test_what_is_missing_is_named() -> None:
    check = """
def test_edges(edges):
    from utils.answers import entry, word_of
    word_of(entry(edges, "vertical"), "AB")
"""
    names: dict[str, object] = {"double": lambda x: print(2 * x), "edges": {"vertical": ...}}
    grader = Checks(names, {"q1": TEXT, "q2": check})
    assert repr(grader.check("q1")) == "✗ q1: it returns None: is there a `return`?"
    assert "○ q2: there is nothing for 'vertical' yet" in repr(grader.check("q2"))
    names["edges"] = {"upright": "A"}
    said = "✗ q2: there is no key 'vertical'; there are 'upright'"
    assert repr(grader.check("q2")).startswith(said)
    names["double"] = lambda x: None
    assert repr(grader.check("q1")).startswith("○ q1: nothing here yet. Replace the dots")


def test_unknown_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="q1"):
        Checks({}, {"q1": TEXT}).check("q11")
