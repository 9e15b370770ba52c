"""Trials: one rule decides over all settings, the record is held to, the card shows everything."""

import json
import math

import pytest
import torch

from utils import generator
from utils.claims import Claim, ClaimError, Sample, load_claims, over_seeds, record, trial, trials
from utils.claims.card import Card
from utils.claims.replication import Effect, Measured, Run, contradictions, from_json, load_runs
from utils.claims.rule import Rule, decide
from utils.claims.sample import repeated

WIDE = (0.30, 0.31, 0.32)
NONE = (-0.001, 0.0, 0.001)
TORN = (-0.2, 0.0, 0.3)


# ------------------------------------------------------------------------------------- samples
def test_an_interval_is_students():
    sample = Sample((1.0, 2.0, 3.0, 4.0, 5.0), of="seeds")
    # mean 3, s = √2.5, t(4) = 2.7764
    assert sample.mean == 3
    assert sample.high - 3 == pytest.approx(2.7764 * math.sqrt(2.5 / 5), rel=1e-4)
    assert sample.low == pytest.approx(6 - sample.high)
    assert str(sample) == "3.00 [1.04, 4.96], n = 5 seeds"


def test_a_geometric_sample_is_not_ruled_by_one_slow_run():
    values = (10.0, 10.0, 10.0, 10.0, 1000.0)
    assert not Sample(values, of="timings") > 1
    assert Sample(values, of="timings", geometric=True) > 1


@pytest.mark.parametrize("values", [(1.0, 2.0), (1.0, 2.0, math.nan), (1.0, math.inf, 2.0)])
def test_too_few_or_broken_repetitions_are_refused(values):
    with pytest.raises(ValueError):
        Sample(values, of="seeds")


def test_a_sample_has_to_say_what_it_repeats():
    with pytest.raises(TypeError):
        Sample((1.0, 2.0, 3.0))


def test_a_lookup_is_no_repetition():
    results = [0.1, 0.2, 0.3, 0.4, 0.5]
    with pytest.raises(IndexError):
        over_seeds(lambda seed: results[seed])
    with pytest.raises(ValueError, match="does not use its seed"):
        over_seeds(lambda seed: 0.5)
    assert repeated([0.0, 0.0, 0.0], "seeds").mean == 0  # both arms may be perfect each time


def test_seeds_are_moved_from_outside(monkeypatch):
    def draw(seed):
        return torch.rand((), generator=generator(seed)).item() + torch.rand(()).item()

    here = over_seeds(draw)
    assert here == over_seeds(draw) and len(set(here.values)) == 5
    monkeypatch.setenv("BOOK_SEED", "5000")
    assert not set(over_seeds(draw).values) & set(here.values)
    monkeypatch.setenv("BOOK_SEED", "many")
    with pytest.raises(ValueError, match="BOOK_SEED is 'many'"):
        over_seeds(draw)


# ------------------------------------------------------------------------------------ one rule
@pytest.mark.parametrize(
    ("rule", "values", "side"),
    [
        (Rule(more_than=0.02), WIDE, "for"),
        (Rule(more_than=0.02), NONE, "against"),
        (Rule(more_than=0.02), tuple(-x for x in WIDE), "against"),
        (Rule(more_than=0.02), TORN, "unclear"),
        (Rule(more_than=0.0), NONE, "unclear"),
        (Rule(within=0.02), NONE, "for"),
        (Rule(within=0.02), WIDE, "against"),
        (Rule(within=0.02), tuple(-x for x in WIDE), "against"),
        (Rule(within=0.02), TORN, "unclear"),
    ],
)
def test_a_whole_interval_lies_on_one_side_or_is_unclear(rule, values, side):
    assert rule.side(Sample(values, of="seeds")) == side


def test_ratios_have_their_margin_in_both_directions():
    rule = Rule(within=1.25, ratio=True)
    assert rule.negligible == (0.8, 1.25)
    assert rule.side(Sample((0.98, 1.0, 1.02), of="timings", geometric=True)) == "for"
    assert rule.side(Sample((0.5, 0.5, 0.51), of="timings", geometric=True)) == "against"


@pytest.mark.parametrize(
    ("sides", "verdict"),
    [
        (["for", "for"], "supported"),
        (["against", "against"], "refuted"),
        (["for", "against"], "depends"),
        (["for", "unclear", "against"], "depends"),
        (["for", "unclear"], None),
        (["against", "unclear"], None),
        (["unclear"], None),
    ],
)
def test_every_outcome_has_its_verdict_in_any_order(sides, verdict):
    assert decide(sides) == decide(reversed(sides)) == verdict


@pytest.mark.parametrize(
    "margins", [{}, {"more_than": 1.0, "within": 1.0}, {"more_than": -1.0}, {"within": 0.0}]
)
def test_a_rule_has_one_sensible_margin(margins):
    with pytest.raises(ValueError):
        Rule(**margins)


def measured(**by_setting) -> Measured:
    """A trial's measurements in settings of `width`, or of `steps`."""
    effects = [Effect({}, None, Sample(by_setting.pop("base"), of="seeds"))]
    for name, values in by_setting.items():
        effects.append(Effect({name: 1}, None, Sample(values, of="seeds")))
    base = {"width": 8, "steps": 100}
    return Measured(base, tuple(effects), {None: Rule(more_than=0.02)}, {None: "gain"}, {None: ""})


def test_the_setting_that_turns_a_verdict_is_named():
    assert measured(base=WIDE, width=NONE, steps=WIDE).turned_by() == {"width"}
    assert measured(base=WIDE, width=WIDE, steps=TORN).turned_by() == set()


def test_a_run_contradicts_another_only_from_the_other_side():
    stored = measured(base=WIDE, width=NONE)
    assert contradictions(measured(base=TORN), stored) == []
    (found,) = contradictions(measured(base=NONE), stored)
    assert "base: here" in found and "0.310" in found


def test_what_is_stored_comes_back():
    before = measured(base=WIDE, width=NONE)
    after = from_json(json.loads(json.dumps(before.as_json())))
    assert after == before and after.verdict == "depends"


# --------------------------------------------------------------------------------------- trials
@pytest.fixture
def claim(monkeypatch) -> Claim:
    """A ledger with one claim, and no stored run."""
    found = Claim(
        "gains-come", "mlp", "mlp/x", "Gains <come> with `width`.", "depends", "srivastava2014",
        where="section 1", correction="Only above 4.", depends_on="width",
    )  # fmt: skip
    monkeypatch.setattr(trials, "load_claims", lambda: {"gains-come": found})
    return found


def gain(seed: int, *, width: int = 8, steps: int = 100) -> float:
    """An experiment that works for wide networks only."""
    noise = torch.randn((), generator=generator(seed)).item()
    return (0.3 if width > 4 else 0.0) + 0.002 * noise


SETTINGS = {"width": [2], "steps": [50]}


def shown(capsys) -> str:
    return capsys.readouterr().out


def store(monkeypatch, **by_setting) -> None:
    """Let a run be stored that measured this."""
    found = {"code": "c0de", **measured(**by_setting).as_json()}
    run = Run("mlp/x", "seed-0", 0, "cpu", "2026-01-01", "", {}, {"gains-come": found})
    monkeypatch.setattr(trials, "deciding_run", lambda page: run)
    monkeypatch.setattr(trials, "load_runs", lambda page: [run])


def test_without_a_stored_run_there_is_no_verdict(claim, capsys):
    trial("gains-come", gain, what="gain", more_than=0.02, vary=SETTINGS)
    card = shown(capsys)
    assert card.startswith("○ NOT REPLICATED YET") and "5 seeds" in card


def test_the_stored_run_decides_and_the_page_shows_its_own(claim, capsys, monkeypatch):
    store(monkeypatch, base=WIDE, width=NONE)
    trial("gains-come", gain, what="gain", more_than=0.02, vary=SETTINGS)
    lines = shown(capsys).splitlines()
    assert lines[0] == "◐ IT DEPENDS ON THE WIDTH: Gains <come> with `width`."
    assert "  · ✓ base: 0.310 [0.285, 0.335]" in lines
    assert any(line.startswith("  · ✗ width 1: 0.00") for line in lines)
    assert any(line.startswith("  · here: 0.30") and "n = 5 seeds" in line for line in lines)
    assert lines[-1] == "  rather: Only above 4."


def test_a_page_that_contradicts_the_stored_run_fails(claim, monkeypatch):
    store(monkeypatch, base=NONE, width=WIDE)
    with pytest.raises(ClaimError, match="contradicts"):
        trial("gains-come", gain, what="gain", more_than=0.02, vary=SETTINGS)


def test_a_stored_run_with_another_verdict_fails(claim, monkeypatch):
    store(monkeypatch, base=WIDE, width=WIDE)
    with pytest.raises(ClaimError, match="came out supported"):
        trial("gains-come", gain, what="gain", more_than=0.02, vary=SETTINGS)


def test_replicating_measures_every_setting_and_raises_nothing(claim, monkeypatch, tmp_path):
    file = tmp_path / "trials.jsonl"
    monkeypatch.setenv("BOOK_REPLICATE", str(file))
    trial("gains-come", gain, what="gain", more_than=0.02, vary=SETTINGS, replicate=4)
    data = json.loads(file.read_text())
    again = from_json(data)
    assert data["claim"] == "gains-come" and data["verdict"] == "depends"
    assert [e.setting for e in again.effects] == [{}, {"width": 2}, {"steps": 50}]
    assert {e.sample.n for e in again.effects} == {4}


def test_a_metric_is_a_choice_too(claim, monkeypatch, tmp_path):
    file = tmp_path / "trials.jsonl"
    monkeypatch.setenv("BOOK_REPLICATE", str(file))

    def both(seed: int, *, width: int = 8) -> dict[str, float]:
        return {"loss": gain(seed, width=width), "accuracy": gain(seed, width=2)}

    margins = {"loss": 0.02, "accuracy": 0.01}
    trial("gains-come", both, what={"loss": "a", "accuracy": "b"}, more_than=margins,
          vary={"width": [9]})  # fmt: skip
    assert from_json(json.loads(file.read_text())).turned_by() == {"metric"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"vary": {"width": [2]}}, "at least two choices"),
        ({"vary": {"width": [2], "depth": [3]}}, "depth: no keyword of gain"),
        ({"vary": {"width": [8], "steps": [50]}}, "width=8 is the base setting"),
        ({"more_than": None}, "one margin"),
        ({"within": 0.5}, "one margin"),
        ({"more_than": {"loss": 0.1}}, "measures None"),
    ],
)
def test_a_malformed_trial_says_what_is_wrong(claim, changes, complaint):
    arguments = {"what": "gain", "more_than": 0.02, "vary": SETTINGS, **changes}
    with pytest.raises(ValueError, match=complaint):
        trial("gains-come", gain, **arguments)


def test_an_experiment_that_diverges_names_its_setting(claim, monkeypatch, tmp_path):
    monkeypatch.setenv("BOOK_REPLICATE", str(tmp_path / "x"))

    def diverges(seed: int, *, width: int = 8, steps: int = 100) -> float:
        return math.nan if steps == 50 else gain(seed, width=width)

    with pytest.raises(ValueError, match="steps 50: A repetition is not a finite number"):
        trial("gains-come", diverges, what="gain", more_than=0.02, vary=SETTINGS)


def test_an_unknown_claim_lists_those_that_exist():
    known = next(iter(load_claims()))
    with pytest.raises(ValueError, match=f"Did you mean '{known}'.*There are: "):
        trial(known[:-1], gain, what="gain", more_than=0.02, vary=SETTINGS)


# --------------------------------------------------------------------------------------- cards
def test_a_card_escapes_what_it_shows_and_names_its_anchor(claim):
    found = {"code": "", **measured(base=WIDE, width=NONE).as_json()}
    run = Run("mlp/x", "seed-0", 0, "cpu", "2026-01-01", "", {}, {"gains-come": found})
    page = Card(claim, run, measured(base=WIDE), [True, False])._repr_html_()
    assert 'id="trial-gains-come"' in page and "claim-depends" in page
    assert "Gains &lt;come&gt; with <code>width</code>." in page
    assert "It depends on the width" in page and "held in 1 of 2 runs" in page
    assert page.count("<circle") == 3  # two settings, and this page's own run
    assert 'aria-label="for the claim"' in page and 'aria-label="against it"' in page


@pytest.mark.parametrize(("largest", "small"), [(40.0, "1.5 ["), (150.0, "1.50 [")])
def test_factors_that_differ_widely_have_their_own_digits(claim, largest, small):
    rows = [(1.4, 1.5, 1.6), (0.9 * largest, largest, 1.1 * largest)]
    effects = tuple(
        Effect(setting, None, Sample(values, "seeds", True))
        for setting, values in zip(({}, {"width": 1}), rows)
    )
    rules = {None: Rule(more_than=1.1, ratio=True)}
    here = Measured({"width": 8}, effects, rules, {None: "gain"}, {None: "times"})
    assert f"base: {small}" in repr(Card(claim, None, here))


# --------------------------------------------------------------------------------------- files
@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"verdict": "maybe"}, "none of"),
        ({"verdict": "refuted"}, "correction"),
        ({"correction": "Rather not."}, "correction"),
        ({"depends_on": "width"}, "depends_on"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path, monkeypatch, entry, complaint):
    import yaml

    whole = {
        "id": "x-y", "part": "foundations", "page": "foundations/x", "statement": "X is Y.",
        "verdict": "supported", "source": "who", **entry,
    }  # fmt: skip
    file = tmp_path / "claims.yml"
    file.write_text(yaml.safe_dump([whole]), encoding="utf-8")
    monkeypatch.setattr(record, "claims_file", lambda: file)
    with pytest.raises(ValueError, match=complaint) as error:
        load_claims.__wrapped__()
    assert "x-y" in str(error.value)


def test_a_damaged_replication_is_named(tmp_path, monkeypatch):
    from utils.claims import replication

    monkeypatch.setattr(replication, "replications_folder", lambda: tmp_path)
    (tmp_path / "mlp" / "x").mkdir(parents=True)
    (tmp_path / "mlp" / "x" / "seed-0.json").write_text("{")
    with pytest.raises(ValueError, match=r"seed-0\.json is no replication"):
        load_runs("mlp/x")
