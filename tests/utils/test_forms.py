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


def test_unknown_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="q1"):
        Checks({}, {"q1": TEXT}).check("q11")
