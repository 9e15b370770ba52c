"""Trials by hand-written rules, which old pages still use: the first rule that holds decides."""

import math

import pytest

from utils.claims import Claim, ClaimError
from utils.old_claims import Sample, Trial, over_seeds


def a_trial(verdict="supported", correction=None, statement="Water is wet.") -> Trial:
    return Trial(
        Claim(
            "water-is-wet",
            "foundations",
            "foundations/x",
            statement,
            verdict,
            "lecture notes",
            correction=correction,
        )
    )


def test_an_interval_is_students():
    sample = Sample((1.0, 2.0, 3.0, 4.0, 5.0))
    # mean 3, s = √2.5, t(4) = 2.7764
    assert sample.mean == 3
    assert sample.high - 3 == pytest.approx(2.7764 * math.sqrt(2.5 / 5), rel=1e-4)
    assert sample.low == pytest.approx(6 - sample.high)


def test_a_comparison_holds_for_the_whole_interval_or_not_at_all():
    sample = Sample((1.0, 2.0, 3.0))  # 2 ± 2.48
    assert not sample > 0 and not sample < 0
    assert sample > -1 and sample < 5 and sample.within(-1, 5)


def test_a_geometric_sample_is_not_ruled_by_one_slow_run():
    values = (10.0, 10.0, 10.0, 10.0, 1000.0)
    assert not Sample(values) > 1
    assert Sample(values, geometric=True) > 1
    assert Sample((2.0, 8.0, 4.0), geometric=True).mean == pytest.approx(4)


@pytest.mark.parametrize("values", [(1.0, 2.0), (1.0, 2.0, math.nan), (1.0, math.inf, 2.0)])
def test_too_few_or_broken_repetitions_are_refused(values):
    with pytest.raises(ValueError):
        Sample(values)


def test_a_geometric_mean_needs_positive_numbers():
    with pytest.raises(ValueError, match="positive"):
        Sample((1.0, 0.0, 2.0), geometric=True)


def test_seeds_are_set_before_each_repetition():
    import torch

    first = over_seeds(lambda seed: torch.rand(()).item(), seeds=4)
    second = over_seeds(lambda seed: torch.rand(()).item(), seeds=range(4))
    assert first == second and len(set(first.values)) == 4


def test_the_first_rule_that_holds_decides_and_the_card_shows_it(capsys):
    with a_trial() as t:
        t.evidence("wetness", Sample((1.0, 1.1, 1.2)), unit="drops")
        t.evidence("it drips", True)
        t.supported(True, rule="it is wet")
        t.refuted(True, rule="never looked at")
    shown = t.as_text()
    assert shown.splitlines()[0] == "✓ SUPPORTED: Water is wet."
    assert "  · wetness: 1.10 drops [0.85, 1.35], n = 3" in shown
    assert "  · it drips: yes" in shown
    assert "decided by: it is wet" in shown


def test_another_verdict_than_recorded_is_an_error_that_says_everything():
    with pytest.raises(ClaimError) as error, a_trial() as t:
        t.evidence("wetness", 0.0)
        t.refuted(True, rule="it is dry")
    message = str(error.value)
    for part in (
        "'water-is-wet'",
        "came out refuted",
        "records supported",
        "wetness: 0",
        "it is dry",
    ):
        assert part in message


def test_no_rule_that_holds_is_an_error_too():
    with pytest.raises(ClaimError, match="undecided"), a_trial() as t:
        t.supported(False, rule="it is wet")


def test_an_error_in_the_experiment_is_not_hidden_by_the_trial():
    with pytest.raises(ZeroDivisionError), a_trial() as t:
        t.evidence("wetness", 1 / 0)


def test_the_card_escapes_what_it_shows_and_names_its_anchor():
    t = a_trial("refuted", "Only `H2O` < 4 °C.", statement="a < b & c")
    t.evidence("<script>", "1 > 0")
    t.refuted(True, rule="x < y")
    page = t.as_html()
    assert 'id="trial-water-is-wet"' in page and "claim-refuted" in page
    assert "<script>" not in page and "a &lt; b &amp; c" in page
    assert "<code>H2O</code> &lt; 4 °C." in page
