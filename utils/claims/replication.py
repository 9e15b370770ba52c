"""Replications: what ``make replicate`` measured in every setting, kept under the chapters.

One file a page and run, ``chapters/replications/<part>/<slug>/seed-<n>[-<device>].json``. The run
with unmoved seeds on a CPU decides; the others, with other seeds or on other machines, lie beside
it and show whether its verdicts hold.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.claims.record import Verdict
from utils.claims.rule import Rule, Side, decide
from utils.claims.sample import Sample
from utils.paths import replications_folder

Setting = Mapping[str, Any]
DECIDES = "seed-0"


@dataclass(frozen=True)
class Effect:
    """One number, measured repeatedly in one setting: what a card shows in a line."""

    setting: Setting  # what differs from the base setting; nothing for the base setting itself
    metric: str | None
    sample: Sample

    def as_json(self) -> dict[str, Any]:
        """For the file; six digits are more than any of them deserves."""
        values = [float(f"{v:.6g}") for v in self.sample.values]
        return {"setting": dict(self.setting), "metric": self.metric, "values": values}


@dataclass(frozen=True)
class Measured:
    """All that a trial measured in one run: its effects, and what decides them."""

    base: Setting
    effects: tuple[Effect, ...]
    rules: Mapping[str | None, Rule]  # by metric
    what: Mapping[str | None, str]
    unit: Mapping[str | None, str]

    def side(self, effect: Effect) -> Side:
        """On which side of its margin an effect lies."""
        return self.rules[effect.metric].side(effect.sample)

    @property
    def verdict(self) -> Verdict | None:
        """What all settings say together; None if it is undecided."""
        return decide(self.side(effect) for effect in self.effects)

    @property
    def metrics(self) -> list[str | None]:
        """The metrics, in order; one that is None if there is only one number."""
        return list(dict.fromkeys(effect.metric for effect in self.effects))

    def turned_by(self) -> set[str]:
        """The settings whose change alone turns a side: ``metric``, or names of ``vary``."""
        sides: dict[str | None, dict[str, set[Side]]] = {}
        for effect in self.effects:
            name = next(iter(effect.setting), "")
            sides.setdefault(effect.metric, {}).setdefault(name, set()).add(self.side(effect))
        turned = {
            name
            for by_name in sides.values()
            for name in by_name
            if {"for", "against"} <= by_name[name] | by_name.get("", set())
        }
        at_base = {side for by_name in sides.values() for side in by_name.get("", set())}
        return (turned - {""}) | ({"metric"} if {"for", "against"} <= at_base else set())

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        first = self.effects[0].sample
        return {
            "verdict": self.verdict or "undecided",
            "repetitions": first.of,
            "base": dict(self.base),
            "metrics": [
                {
                    "metric": metric,
                    "what": self.what[metric],
                    "unit": self.unit[metric],
                    "more_than": self.rules[metric].more_than,
                    "within": self.rules[metric].within,
                    "ratio": self.rules[metric].ratio,
                }
                for metric in self.metrics
            ],
            "effects": [effect.as_json() for effect in self.effects],
        }


def from_json(data: Mapping[str, Any]) -> Measured:
    """What a file holds of one trial."""
    rules = {
        m["metric"]: Rule(more_than=m["more_than"], within=m["within"], ratio=m["ratio"])
        for m in data["metrics"]
    }
    effects = tuple(
        Effect(
            e["setting"],
            e["metric"],
            Sample(tuple(e["values"]), data["repetitions"], rules[e["metric"]].ratio),
        )
        for e in data["effects"]
    )
    what = {m["metric"]: m["what"] for m in data["metrics"]}
    unit = {m["metric"]: m["unit"] for m in data["metrics"]}
    return Measured(data["base"], effects, rules, what, unit)


@dataclass(frozen=True)
class Run:
    """One run of ``make replicate`` on a page."""

    page: str
    name: str  # seed-0, seed-5000, seed-0-cuda
    seed: int
    device: str
    date: str
    machine: str
    versions: Mapping[str, str]
    trials: Mapping[str, Mapping[str, Any]]  # by claim: code, seconds and what was measured

    def measured(self, claim: str) -> Measured | None:
        """What the run measured of a claim; None if it did not try it."""
        return from_json(self.trials[claim]) if claim in self.trials else None

    def code(self, claim: str) -> str | None:
        """The fingerprint of the code that the run tried a claim with."""
        return self.trials[claim]["code"] if claim in self.trials else None

    def in_words(self) -> str:
        """Where, when and with which seeds."""
        seeds = "" if self.seed == 0 else f", seeds moved by {self.seed}"
        return f"{self.date}, {self.device}{seeds}"


def load_runs(page: str) -> list[Run]:
    """All stored runs of a page, the one that decides first.

    Raises:
        ValueError: a file is damaged; the message names it.
    """
    runs = []
    for path in sorted((replications_folder() / page).glob("*.json")):
        try:
            runs.append(read_run(path))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no replication ({error}): renew it.") from None
    return sorted(runs, key=lambda run: (run.name != DECIDES, run.seed, run.name))


def read_run(path: Path) -> Run:
    """One stored run."""
    data = json.loads(path.read_text(encoding="utf-8"))
    fields = ("page", "seed", "device", "date", "machine", "versions", "trials")
    return Run(name=path.stem, **{field: data[field] for field in fields})


def deciding_run(page: str) -> Run | None:
    """The stored run that decides the claims of a page; None if there is none yet."""
    runs = load_runs(page)
    return runs[0] if runs and runs[0].name == DECIDES else None


def contradictions(here: Measured, stored: Measured) -> list[str]:
    """Where this run lies clearly on the other side of the margin than the stored one.

    Only settings that both have measured are compared; ``unclear`` contradicts nothing.
    """
    known = {(_key(e.setting), e.metric): e for e in stored.effects}
    found = []
    for effect in here.effects:
        other = known.get((_key(effect.setting), effect.metric))
        if other is not None and {here.side(effect), stored.side(other)} == {"for", "against"}:
            found.append(
                f"{setting_words(effect.setting)}: here {effect.sample}, stored {other.sample}"
            )
    return found


def _key(setting: Setting) -> str:
    return json.dumps(dict(setting), sort_keys=True)


def setting_words(setting: Setting) -> str:
    """A setting as a card shows it.

    >>> setting_words({"batch_size": 32, "learning_rate": 0.001})
    'batch size 32, learning rate 0.001'
    """
    if not setting:
        return "base"
    return ", ".join(f"{name.replace('_', ' ')} {_value(v)}" for name, v in setting.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return str(value)
