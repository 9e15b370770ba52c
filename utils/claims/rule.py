"""The one rule by which every trial is decided: three outcomes, one margin, no gaps."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from utils.claims.record import Verdict
from utils.claims.sample import Sample

Side = Literal["for", "against", "unclear"]


@dataclass(frozen=True)
class Rule:
    """On which side of a margin an effect has to lie for the claim to hold.

    >>> rule = Rule(more_than=0.02)
    >>> rule.side(Sample((0.30, 0.32, 0.34), of="seeds"))
    'for'
    >>> rule.side(Sample((-0.01, 0.0, 0.01), of="seeds"))
    'unclear'
    """

    more_than: float | None = None  # the effect has to exceed it
    within: float | None = None  # the effect has to stay below it, in both directions
    ratio: bool = False  # effects are factors: no effect is 1, not 0

    def __post_init__(self) -> None:
        if (self.more_than is None) == (self.within is None):
            raise ValueError("A trial has one margin: give more_than= or within=.")
        least = 1.0 if self.ratio else 0.0
        if self.margin < least or (self.margin == least and self.within is not None):
            name = "more_than" if self.within is None else "within"
            hint = "; for a claim of less, turn the effect round" if self.within is None else ""
            raise ValueError(f"{name}={self.margin} has to lie above {least:g}{hint}.")

    @property
    def margin(self) -> float:
        """The smallest effect that matters."""
        margin = self.more_than if self.within is None else self.within
        assert margin is not None
        return margin

    @property
    def no_effect(self) -> float:
        """Where there is no effect at all."""
        return 1.0 if self.ratio else 0.0

    @property
    def negligible(self) -> tuple[float, float]:
        """The zone in which an effect does not matter."""
        return (1 / self.margin if self.ratio else -self.margin), self.margin

    def side(self, effect: Sample) -> Side:
        """Where the whole interval of an effect lies, or ``unclear`` if it lies on both sides."""
        low, high = self.negligible
        if self.within is None:
            return "for" if effect > high else "against" if effect < high else "unclear"
        if effect.within(low, high):
            return "for"
        return "against" if effect > high or effect < low else "unclear"

    def in_words(self, unit: str = "") -> str:
        """The rule as a card states it."""
        low, high = self.negligible
        if self.within is None:
            return f"the claim asks for more than {high:g} {unit}".rstrip()
        return f"the claim asks for an effect between {low:.3g} and {high:g} {unit}".rstrip()


def decide(sides: Iterable[Side]) -> Verdict | None:
    """The verdict of all settings together; None if it is undecided.

    >>> decide(["for", "for"]), decide(["for", "unclear", "against"]), decide(["for", "unclear"])
    ('supported', 'depends', None)
    """
    seen = set(sides)
    if {"for", "against"} <= seen:
        return "depends"
    if seen == {"for"}:
        return "supported"
    return "refuted" if seen == {"against"} else None
