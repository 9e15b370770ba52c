"""The card of a trial: the verdict, and every setting with its interval (a specification curve).

It shows itself as HTML in a notebook and on the site, and as plain text everywhere else. In the
text, lines that begin with two blanks and a middle dot hold measured numbers: they differ between
machines, and tests that compare outputs wipe them.
"""

import html
import math
from dataclasses import dataclass, field

from utils.claims.record import Claim, Verdict
from utils.claims.replication import Effect, Measured, Run, setting_words
from utils.claims.rule import Side
from utils.claims.sample import alike

# Okabe and Ito's colours; a symbol beside each, because colour alone tells some readers nothing.
COLOURS: dict[Verdict, str] = {"supported": "#009e73", "refuted": "#d55e00", "depends": "#0072b2"}
SYMBOLS: dict[Verdict, str] = {"supported": "✓", "refuted": "✗", "depends": "◐"}
SIDES: dict[Side, tuple[str, str, str]] = {  # symbol, colour, for those who hear the page
    "for": ("✓", "#009e73", "for the claim"),
    "against": ("✗", "#d55e00", "against it"),
    "unclear": ("?", "#808080", "unclear"),
}
GREY = "#808080"
WIDE = 30  # from this factor on, each row has its own digits


def heading_of(claim: Claim) -> str:
    """The recorded verdict in words."""
    if claim.verdict != "depends":
        return claim.verdict.capitalize()
    on = claim.depends_in_words or (claim.depends_on or "").replace("_", " ")
    return f"It depends on the {on}"


@dataclass(frozen=True)
class Card:
    """What a trial shows: what the stored run found, if there is one, and what this run did."""

    claim: Claim
    run: Run | None
    here: Measured
    held: list[bool] = field(default_factory=list)  # the verdict, in each stored run

    @property
    def verdict(self) -> Verdict | None:
        """The recorded verdict where a stored run bears it out; else what this run says."""
        return self.here.verdict if self.run is None else self.claim.verdict

    @property
    def shown(self) -> Measured:
        """What decides: the stored run, or this one where there is none of this code."""
        stored = self.run and self.run.measured(self.claim.id)
        return stored or self.here

    @property
    def heading(self) -> str:
        """The verdict in words."""
        if self.run is None:
            return "Not replicated yet"
        return heading_of(self.claim)

    def ground(self) -> str:
        """What the numbers rest on, in a sentence."""
        n = self.shown.effects[0].sample
        if self.run is None:
            return (
                f"This run only, the base setting with {n.n} {n.of}: this code has no stored "
                "replication (make replicate makes one), so it is no verdict."
            )
        text = f"Replication of {self.run.in_words()}: {n.n} {n.of} a setting."
        if len(self.held) > 1:
            text += f" The verdict held in {sum(self.held)} of {len(self.held)} runs."
        return text

    def lines_here(self) -> list[tuple[str, str]]:
        """What this run found, where a stored one is shown: metric and numbers."""
        if self.run is None:
            return []
        return [(e.metric or "", f"{e.sample}") for e in self.here.effects if not e.setting]

    # -------------------------------------------------------------------------------- as text
    def __repr__(self) -> str:
        symbol = SYMBOLS[self.verdict] if self.run and self.verdict else "○"
        lines = [f"{symbol} {self.heading.upper()}: {self.claim.statement}"]
        base = setting_words(self.shown.base) if self.shown.base else "no settings"
        for metric in self.shown.metrics:
            rule = self.shown.rules[metric].in_words(self.shown.unit[metric])
            lines.append(f"  effect: {self.shown.what[metric]}; {rule}")
            for effect, (mean, interval) in self._effects(metric):
                mark = SIDES[self.shown.side(effect)][0]
                lines.append(f"  · {mark} {setting_words(effect.setting)}: {mean} {interval}")
        lines.append(f"  base: {base}")
        lines.append(f"  · {self.ground()}")
        lines += [f"  · here: {f'{name} ' * bool(name)}{text}" for name, text in self.lines_here()]
        if self.run and self.claim.correction:
            lines.append(f"  rather: {self.claim.correction}")
        return "\n".join(lines)

    def _effects(self, metric: str | None) -> list[tuple[Effect, tuple[str, str]]]:
        """The effects of a metric, each with its mean and interval, all with the same digits.

        Factors that differ widely have their own, or the small ones would lose theirs.
        """
        effects = [effect for effect in self.shown.effects if effect.metric == metric]
        ends = [effect.sample.interval() for effect in effects]
        means = [mean for _, mean, _ in ends]
        if self.shown.rules[metric].ratio and max(means) > WIDE * min(means):
            triples = [alike(*row) for row in ends]
        else:
            texts = alike(*(x for row in ends for x in row))
            triples = [texts[3 * i : 3 * i + 3] for i in range(len(effects))]
        return [(e, (mean, f"[{low}, {high}]")) for e, (low, mean, high) in zip(effects, triples)]

    # -------------------------------------------------------------------------------- as HTML
    def _repr_html_(self) -> str:
        """Styles stand inline, so that the card looks right wherever it is shown."""
        verdict = self.verdict if self.run else None
        colour = COLOURS[verdict] if verdict else GREY
        symbol = SYMBOLS[verdict] if verdict else "○"
        rows = "".join(self._metric_rows(metric) for metric in self.shown.metrics)
        base = setting_words(self.shown.base)
        rather = ""
        if self.run and self.claim.correction:
            rather = (
                '<p style="margin:.6em 0 0"><strong>What holds:</strong> '
                f"{inline(self.claim.correction)}</p>"
            )
        here = "".join(
            f" On this page: {name} <strong class='measured'>{html.escape(text)}</strong>."
            for name, text in self.lines_here()
        )
        return (
            f'<div class="claim-card claim-{verdict or "open"}" id="trial-{self.claim.id}" '
            f'style="border:1px solid rgba(127,127,127,.35);border-left:6px solid {colour};'
            'border-radius:6px;padding:.8em 1.1em;margin:.5em 0;max-width:46em;line-height:1.5">'
            '<p style="margin:0 0 .4em;font-size:.9em">'
            f'<span style="background:{colour};border-radius:3px;padding:.1em .3em" '
            f'aria-hidden="true"><span style="color:#000">{symbol}</span></span> '
            f"<strong>{html.escape(self.heading)}</strong></p>"
            f'<p style="margin:0;font-size:1.08em"><em>{inline(self.claim.statement)}</em></p>'
            '<table style="width:100%;border-collapse:collapse;border:0;color:inherit;'
            'margin:.6em 0 .3em;font-size:.88em;font-variant-numeric:tabular-nums">'
            f"<tbody>{rows}</tbody></table>"
            f'<p style="margin:0;font-size:.85em">Base: {html.escape(base)}. '
            f"{html.escape(self.ground())}{here}</p>{rather}</div>"
        )

    def _metric_rows(self, metric: str | None) -> str:
        """The rows of one metric: its rule and axis, then a row a setting."""
        scale = _Scale(self.shown, metric)
        rule = self.shown.rules[metric].in_words(self.shown.unit[metric])
        cell = "border:0;background:none;padding:.15em .4em .15em 0;vertical-align:middle"
        head = (
            f'<tr style="background:none"><td colspan="3" style="{cell};padding-top:.5em;'
            'text-align:left;white-space:normal">'
            f"{inline(self.shown.what[metric])}; {html.escape(rule)}</td></tr>"
        )
        here = [e for e in self.here.effects if e.metric == metric and not e.setting]
        rows = []
        for effect, (mean, interval) in self._effects(metric):
            symbol, colour, heard = SIDES[self.shown.side(effect)]
            second = here[0] if self.run and here and not effect.setting else None
            strip = scale.strip(effect, colour, second)
            rows.append(
                f'<tr style="background:none"><td style="{cell};text-align:left;'
                f'white-space:normal">{html.escape(setting_words(effect.setting))}</td>'
                f'<td style="{cell};width:42%;min-width:6em">{strip}</td>'
                f'<td style="{cell};text-align:right;white-space:normal">'
                f'<strong role="img" aria-label="{heard}">{symbol}</strong> '
                f'<span class="measured">{mean} '
                f'<span style="white-space:nowrap">{interval}</span></span></td></tr>'
            )
        axis = f'<tr style="background:none"><td style="{cell}"></td><td style="{cell}">'
        return head + "".join(rows) + axis + scale.axis() + f'</td><td style="{cell}"></td></tr>'


class _Scale:
    """The axis that the effects of one metric share, in percent of a strip's width."""

    def __init__(self, measured: Measured, metric: str | None) -> None:
        rule = measured.rules[metric]
        self.rule = rule
        self.log = rule.ratio
        ends = [rule.no_effect, *rule.negligible]
        for effect in measured.effects:
            if effect.metric == metric:
                ends += [effect.sample.low, effect.sample.high]
        places = [math.log(x) if self.log else x for x in ends]
        low, high = min(places), max(places)
        self.low, self.span = low, (high - low) or 1.0

    def at(self, x: float) -> float:
        """Where a value lies; what is off the axis lies at its end."""
        place = math.log(x) if self.log else x
        return min(100.0, max(0.0, 4 + 92 * (place - self.low) / self.span))

    def strip(self, effect: Effect, colour: str, here: Effect | None) -> str:
        """One interval on the axis; a hollow diamond is this page's own run."""
        low, high = (self.at(x) for x in self.rule.negligible)
        left, mid, right = (self.at(x) for x in effect.sample.interval())
        none = self.at(self.rule.no_effect)
        parts = [
            f'<rect x="{low:.1f}%" y="0" width="{high - low:.1f}%" height="18" '
            'fill="#808080" fill-opacity=".22"/>',
            f'<line x1="{none:.1f}%" x2="{none:.1f}%" y1="0" y2="18" stroke="#808080"/>',
            f'<line x1="{left:.1f}%" x2="{right:.1f}%" y1="9" y2="9" stroke="{colour}" '
            'stroke-width="3"/>',
            f'<circle cx="{mid:.1f}%" cy="9" r="4" fill="{colour}"/>',
        ]
        if here is not None:
            a, b, c = (self.at(x) for x in here.sample.interval())
            parts.append(
                f'<line x1="{a:.1f}%" x2="{c:.1f}%" y1="15.5" y2="15.5" stroke="{colour}" '
                'stroke-width="1"/>'
                f'<circle cx="{b:.1f}%" cy="15.5" r="2" fill="none" stroke="{colour}"/>'
            )
        return _svg("".join(parts), 18)

    def axis(self) -> str:
        """The numbers at no effect and at the margin, which point away from each other."""
        low, high = self.rule.negligible
        left = self.rule.no_effect if self.rule.within is None else low
        right = f"{high:.3g}" + (" →" if self.rule.within is None else "")
        text = (
            '<text x="{:.1f}%" y="9" dx="{}" font-size="10" text-anchor="{}" fill="currentColor" '
            'fill-opacity=".8">{}</text>'
        )
        numbers = text.format(self.at(high), -1, "start", right)
        if left < high:  # without a margin they are one
            numbers = text.format(self.at(left), 1, "end", f"{left:.3g}") + numbers
        return _svg(numbers, 12)


def _svg(body: str, height: int) -> str:
    return (
        f'<svg width="100%" height="{height}" aria-hidden="true" focusable="false" '
        f'style="display:block;overflow:visible">{body}</svg>'
    )


def inline(text: str) -> str:
    """Escape a sentence for HTML, with `code` in backquotes set as code."""
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
