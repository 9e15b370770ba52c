"""`trial`: measure an effect in its settings, hold the verdict to the record, show the card."""

import inspect
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.claims.card import Card
from utils.claims.record import Claim, load_claims
from utils.claims.replication import (
    Effect,
    Measured,
    Run,
    Setting,
    contradictions,
    deciding_run,
    load_runs,
    setting_words,
)
from utils.claims.rule import Rule
from utils.claims.sample import repeated
from utils.errors import unknown
from utils.seed import seed_everything, seeds

Value = int | float | str | None
Text = str | Mapping[str, str]  # one, or one by metric
Margin = float | Mapping[str, float]


class ClaimError(AssertionError):
    """An experiment did not decide its claim, or decided it otherwise than recorded."""


def trial(
    claim_id: str,
    effect: Callable[..., float | Mapping[str, float]],
    *,
    what: Text,
    vary: Mapping[str, Sequence[Value]],
    more_than: Margin | None = None,
    within: Margin | None = None,
    unit: Text = "",
    ratio: bool = False,
    repetitions: str = "seeds",
    seeds: int = 5,
    replicate: int = 10,
) -> None:
    """Try a claim and show its card.

    A setting speaks *for* the claim if the whole 95 % interval of its effect lies beyond the
    margin, *against* it if none of it does. All for: supported. All against: refuted. Some for and
    some against: it depends. Anything else is undecided, and an error: more seeds, or no claim.

    Args:
        claim_id: the claim's id in ``chapters/claims.yml``.
        effect: takes a seed and the setting's keywords, whose defaults are the base setting; gives
            a number that is positive where the claim is right, or such numbers by metric.
        what: what the number is, in words (by metric, if there are several).
        vary: other values for at least two of the keywords, tried one at a time. (If there are
            several metrics, they count as one of the two.)
        more_than: the margin: the claim is right where the effect exceeds it.
        within: the margin of a claim of no difference: right where the effect stays below it.
        unit: the unit of the number.
        ratio: the number is a factor: 1 is no effect, and intervals are those of the logarithm.
        repetitions: what is repeated: ``seeds``, ``timings``, ``draws of labels``.
        seeds: how many repetitions on the page.
        replicate: how many in ``make replicate``.

    Raises:
        ValueError: there is no such claim, or the trial is malformed; the message says how.
        ClaimError: this run contradicts the stored one, or that one the recorded verdict.
    """
    claims = load_claims()
    if claim_id not in claims:
        raise ValueError(unknown("claim", claim_id, claims))
    claim = claims[claim_id]
    experiment = _Experiment(effect, what, unit, more_than, within, ratio, vary, repetitions)
    from IPython.display import display

    if target := os.environ.get("BOOK_REPLICATE"):
        started = time.perf_counter()
        measured = experiment.run(experiment.settings, replicate)
        line = {
            "claim": claim_id,
            "code": _code_here(claim_id),
            "seconds": round(time.perf_counter() - started, 1),
            **measured.as_json(),
        }
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        display(Card(claim, None, measured))
        return
    here = experiment.run([{}], seeds)
    run = _run_of_this_code(claim)
    if run is not None:
        _hold(claim, here, run)
    held = [other.measured(claim_id) for other in load_runs(claim.page)] if run else []
    display(Card(claim, run, here, held=[m.verdict == claim.verdict for m in held if m]))


class _Experiment:
    """The arguments of a trial, checked, by metric."""

    def __init__(
        self,
        effect: Callable[..., Any],
        what: Text,
        unit: Text,
        more_than: Margin | None,
        within: Margin | None,
        ratio: bool,
        vary: Mapping[str, Sequence[Value]],
        repetitions: str,
    ) -> None:
        self.effect, self.ratio, self.repetitions = effect, ratio, repetitions
        self.what, self.unit = what, unit
        self.more_than, self.within = more_than, within
        parameters = inspect.signature(effect).parameters.values()
        self.base = {p.name: p.default for p in parameters if p.default is not p.empty}
        missing = set(vary) - set(self.base)
        if missing:
            raise ValueError(
                f"{', '.join(sorted(missing))}: no keyword of {effect.__name__} with a default, "
                f"which would be its base value; it has {', '.join(self.base) or 'none'}."
            )
        several = sum(isinstance(x, Mapping) for x in (what, more_than or within)) > 0
        if len(vary) + several < 2:
            raise ValueError("A trial varies at least two choices beside the seed.")
        self.settings: list[dict[str, Value]] = [{}]
        for name, values in vary.items():
            for value in values:
                if value == self.base[name]:
                    raise ValueError(f"{name}={value!r} is the base setting already.")
                self.settings.append({name: value})

    def run(self, settings: Sequence[Setting], n: int) -> Measured:
        """Measure the effect in some settings."""
        found: list[Effect] = []
        for setting in settings:
            numbers: dict[str | None, list[float]] = {}
            for seed in seeds(n):
                seed_everything(seed)
                for metric, number in self._metrics(self.effect(seed, **setting)).items():
                    numbers.setdefault(metric, []).append(float(number))
            for metric, values in numbers.items():
                try:
                    sample = repeated(values, self.repetitions, self.ratio)
                except ValueError as error:
                    name = "" if metric is None else f", {metric}"
                    raise ValueError(f"{setting_words(setting)}{name}: {error}") from None
                found.append(Effect(setting, metric, sample))
        metrics = list(dict.fromkeys(effect.metric for effect in found))
        rules = {
            metric: Rule(
                more_than=self._of(self.more_than, metric),
                within=self._of(self.within, metric),
                ratio=self.ratio,
            )
            for metric in metrics
        }
        what = {metric: str(self._of(self.what, metric)) for metric in metrics}
        unit = {metric: str(self._of(self.unit, metric) or "") for metric in metrics}
        return Measured(self.base, tuple(found), rules, what, unit)

    def _metrics(self, result: Any) -> dict[str | None, Any]:
        return dict(result) if isinstance(result, Mapping) else {None: result}

    def _of(self, values: Any, metric: str | None) -> Any:
        """An argument that may be given by metric."""
        if not isinstance(values, Mapping):
            return values
        if metric not in values:
            raise ValueError(f"The effect measures {metric!r}; given are {', '.join(values)}.")
        return values[metric]


def _hold(claim: Claim, here: Measured, run: Run) -> None:
    """Fail if a run, the stored one and the record do not agree."""
    stored = run.measured(claim.id)
    assert stored is not None
    lines = []
    if stored.verdict != claim.verdict:
        lines.append(
            f"The replication of {claim.id!r} came out {stored.verdict or 'undecided'}; "
            f"chapters/claims.yml records {claim.verdict}."
        )
    lines += [f"This run contradicts it. {found}" for found in contradictions(here, stored)]
    if lines:
        rules = [f"{stored.what[m]}: {stored.rules[m].in_words()}" for m in stored.metrics]
        told = [f"  {setting_words(e.setting)}: {e.sample}" for e in stored.effects]
        raise ClaimError("\n".join([*lines, f"  claim: {claim.statement}", *rules, *told]))


def _run_of_this_code(claim: Claim) -> Run | None:
    """The stored run that decides a claim, if it is of the code that runs here."""
    run = deciding_run(claim.page)
    if run is None or run.measured(claim.id) is None:
        return None
    here = _code_here(claim.id)
    return run if here in (None, run.code(claim.id)) else None


def _code_here(claim_id: str) -> str | None:
    """The fingerprint of the trial that a notebook runs now; None outside of a notebook."""
    from IPython.core.getipython import get_ipython

    from utils.pages import fingerprint

    shell = get_ipython()
    cells = [] if shell is None else shell.user_ns["In"]
    return fingerprint(cells, claim_id) if any(claim_id in cell for cell in cells) else None
