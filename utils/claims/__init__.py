"""Claims on trial: a sentence, an experiment in several settings, a verdict that has to survive.

The one source of every claim is ``chapters/claims.yml``. A notebook measures an **effect**, a
number with a sign, over paired seeds: in a base setting (the effect's defaults) and with one
choice changed at a time. One rule with a margin decides::

    def gain(seed: int, *, width: int = 256, examples: int = 300) -> float:
        ...  # test loss without dropout minus with it: above 0, dropout helps

    trial("dropout-helps-networks-that-overfit", gain,
          what="test loss without dropout minus with it", unit="nats", more_than=0.02,
          vary=dict(width=[64], examples=[1000]))

On the page, the base setting is measured with a few seeds. ``make replicate`` runs every setting
with more seeds and stores what it found under ``chapters/replications``: that decides, and a page
whose own run contradicts it fails.
"""

from utils.claims.record import VERDICTS, Claim, Verdict, load_claims
from utils.claims.sample import Sample, over_seeds
from utils.claims.trials import ClaimError, trial

__all__ = [
    "VERDICTS",
    "Claim",
    "ClaimError",
    "Sample",
    "Verdict",
    "load_claims",
    "over_seeds",
    "trial",
]
