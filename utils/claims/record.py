"""The ledger: every claim of the book, its verdict and its source, from ``chapters/claims.yml``."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import yaml

from utils.paths import claims_file

Verdict = Literal["supported", "refuted", "depends"]
VERDICTS: tuple[Verdict, ...] = ("supported", "refuted", "depends")


@dataclass(frozen=True)
class Claim:
    """One sentence that somebody has written, as ``chapters/claims.yml`` records it."""

    id: str
    part: str
    page: str
    statement: str
    verdict: Verdict
    source: str  # a key of references.bib, or the name of a course or manual
    where: str | None = None  # the place in it: "section 4.1"
    correction: str | None = None
    depends_on: str | None = None  # the setting on which the verdict depends
    depends_in_words: str | None = None  # its name for readers, where the keyword says too little
    zh: str | None = None

    def __post_init__(self) -> None:
        if (self.correction is None) != (self.verdict == "supported"):
            raise ValueError("a correction belongs to refuted and depends, only")
        if self.depends_on is not None and self.verdict != "depends":
            raise ValueError(f"depends_on belongs to depends, not to {self.verdict}")


@cache
def load_claims() -> dict[str, Claim]:
    """All claims of the book by id, in the order of the file.

    Raises:
        ValueError: an entry of ``chapters/claims.yml`` is malformed, or an id stands twice.
    """
    claims: dict[str, Claim] = {}
    for entry in yaml.safe_load(claims_file().read_text(encoding="utf-8")):
        try:
            if entry.get("verdict") not in VERDICTS:
                raise ValueError(f"the verdict {entry.get('verdict')!r} is none of {VERDICTS}")
            claim = Claim(**entry)
        except (TypeError, ValueError) as error:
            raise ValueError(f"claims.yml, entry {entry.get('id', entry)!r}: {error}.") from None
        if claim.id in claims:
            raise ValueError(f"claims.yml: the id {claim.id!r} stands twice.")
        claims[claim.id] = claim
    return claims
