"""Trials of the pages that are still to be brought to `utils.claims`: rules written by hand.

A notebook lays its measurements before the trial and states the rule of each verdict; the first
rule that holds decides. Such a verdict was tried in one setting only, and the ledger says so. No
new page uses this module, and it goes with the last that does.
"""

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType

from utils.claims import Claim, ClaimError, Verdict, load_claims
from utils.claims import sample as samples
from utils.claims.card import COLOURS, SYMBOLS, inline
from utils.claims.sample import alike
from utils.errors import unknown


@dataclass(frozen=True)
class Sample(samples.Sample):
    """A sample that does not say what its repetitions are."""

    of: str = ""

    def __repr__(self) -> str:
        return self.in_units("")

    def in_units(self, unit: str) -> str:
        """The mean with its unit, the interval, and how many repetitions."""
        return f"{self.numbers(unit)}, n = {self.n}"


def over_seeds(
    experiment: Callable[[int], float], seeds: int | Iterable[int] = 5, geometric: bool = False
) -> Sample:
    """Repeat an experiment, each time with another seed.

    Args:
        experiment: takes a seed, returns the number that it measured. PyTorch, NumPy and Python
            are seeded with it before each call.
        seeds: the seeds, or how many of them (0, 1, …).
        geometric: for ratios: take mean and interval of the logarithms.

    Returns:
        The measurements as a `Sample`: mean and 95 % interval built in.

    Raises:
        ValueError: fewer than three repetitions, or one that is not a finite number.
    """
    from utils.seed import seed_everything

    values = []
    for seed in range(seeds) if isinstance(seeds, int) else seeds:
        seed_everything(seed)
        values.append(float(experiment(seed)))
    return Sample(tuple(values), geometric=geometric)


@dataclass
class Trial:
    """What `trial` hands to the experiment: it takes evidence and rules, and shows the card."""

    claim: Claim
    measured: list[tuple[str, str]] = field(default_factory=list)
    verdict: Verdict | None = None
    rule: str = ""
    rules_tried: list[str] = field(default_factory=list)

    def evidence(self, what: str, value: object, unit: str = "") -> None:
        """Lay a measurement before the trial.

        Args:
            what: what was measured, in words.
            value: a `Sample`, a number, yes or no, or text.
            unit: the unit of the value, if it has one.
        """
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if isinstance(value, Sample):
            text = value.in_units(unit)
        else:
            number = alike(value)[0] if isinstance(value, float) else str(value)
            text = f"{number} {unit}".strip()
        self.measured.append((what, text))

    def _decide(self, verdict: Verdict, if_: bool, rule: str) -> None:
        self.rules_tried.append(f"{verdict} if {rule}")
        if bool(if_) and self.verdict is None:
            self.verdict, self.rule = verdict, rule

    def supported(self, if_: bool, rule: str) -> None:
        """The claim is supported if this rule holds (and no earlier one did)."""
        self._decide("supported", if_, rule)

    def refuted(self, if_: bool, rule: str) -> None:
        """The claim is refuted if this rule holds (and no earlier one did)."""
        self._decide("refuted", if_, rule)

    def depends(self, if_: bool, rule: str) -> None:
        """The claim depends on its circumstances if this rule holds (and no earlier one did)."""
        self._decide("depends", if_, rule)

    def __enter__(self) -> "Trial":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            return
        if self.verdict != self.claim.verdict:
            raise ClaimError(self._disagreement())
        from IPython.display import display

        display({"text/plain": self.as_text(), "text/html": self.as_html()}, raw=True)

    def _disagreement(self) -> str:
        reached = self.verdict or "undecided (no rule held)"
        lines = [
            f"The trial of {self.claim.id!r} came out {reached}; "
            f"chapters/claims.yml records {self.claim.verdict}.",
            f"  claim: {self.claim.statement}",
            *(f"  measured: {what}: {value}" for what, value in self.measured),
            *(f"  rule: {rule}" for rule in self.rules_tried),
        ]
        return "\n".join(lines)

    def as_text(self) -> str:
        """The card for a terminal. Lines that begin with "  · " differ between machines."""
        claim = self.claim
        lines = [
            f"{SYMBOLS[claim.verdict]} {claim.verdict.upper()}: {claim.statement}",
            *(f"  · {what}: {value}" for what, value in self.measured),
            f"  decided by: {self.rule}",
        ]
        if claim.correction:
            lines.append(f"  rather: {claim.correction}")
        return "\n".join(lines)

    def as_html(self) -> str:
        """The card for a page. Styles stand inline, so that it looks right wherever it is shown."""
        claim, colour = self.claim, COLOURS[self.claim.verdict]
        rows = "".join(
            '<li style="margin:.15em 0">'
            f'{html.escape(what)}: <strong class="measured">{html.escape(value)}</strong></li>'
            for what, value in self.measured
        )
        rather = ""
        if claim.correction:
            right = inline(claim.correction)
            rather = f'<p style="margin:.6em 0 0"><strong>Rather:</strong> {right}</p>'
        return (
            f'<div class="claim-card claim-{claim.verdict}" id="trial-{claim.id}" '
            f'style="border:1px solid rgba(127,127,127,.35);border-left:6px solid {colour};'
            'border-radius:6px;padding:.8em 1.1em;margin:.5em 0;max-width:46em;line-height:1.5">'
            '<p style="margin:0 0 .4em;font-size:.85em;letter-spacing:.04em">'
            f'<span style="background:{colour};border-radius:3px;padding:.1em .3em" '
            'aria-hidden="true">'
            f'<span style="color:#000">{SYMBOLS[claim.verdict]}</span></span> '
            f"<strong>{claim.verdict.upper()}</strong></p>"
            f'<p style="margin:0;font-size:1.08em"><em>{inline(claim.statement)}</em></p>'
            f'<ul style="margin:.6em 0 .4em;padding-left:1.2em">{rows}</ul>'
            f'<p style="margin:0">Decided by: {inline(self.rule)}.</p>{rather}</div>'
        )


def trial(claim_id: str) -> Trial:
    """Open the trial of a claim (use it in a ``with`` statement).

    Args:
        claim_id: the claim's id in ``chapters/claims.yml``.

    Returns:
        The `Trial`; on leaving the ``with`` block it shows the verdict's card.

    Raises:
        ValueError: there is no such claim; the message lists those that look like it.
        ClaimError: on leaving the block, if no rule held or the verdict is not the recorded one.
    """
    claims = load_claims()
    if claim_id not in claims:
        raise ValueError(unknown("claim", claim_id, claims))
    return Trial(claims[claim_id])
