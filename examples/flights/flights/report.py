"""The lines that the client prints: one per week, a table at the end, and what came of it all."""

from dataclasses import dataclass, field

from flights.loop import Retraining
from flights.status import Trigger

HEAD = (
    f"{'week':<12}{'rows':>5}{'old model':>11}{'production':>12}{'version':>9}{'limit':>7}  "
    f"{'measured':>8}  {'quality':<14}{'temp PSI':>9}  data"
)

AGREEMENT_MINUTES = 0.01
"""Both take the mean of the same numbers; only the order of summation differs."""


@dataclass
class WeekResult:
    """What one week showed. Errors are MAE in minutes."""

    name: str
    rows: int
    old: float
    production: float
    version: int
    data: str | None
    quality: Trigger | None = None
    drift: Trigger | None = None

    def line(self) -> str:
        quality, drift = self.quality or Trigger(), self.drift or Trigger()
        limit = f"{quality.threshold:.1f}" if quality.threshold is not None else "-"
        measured = f"{quality.value:.1f}" if quality.value is not None else "-"
        temp = (drift.columns or {}).get("temp", drift.value)
        breaches = f" ({quality.breaches})" if quality.breaches else ""
        return (
            f"{self.name:<12}{self.rows:>5}{self.old:>11.1f}{self.production:>12.1f}{f'v{self.version}':>9}{limit:>7}  "
            f"{measured:>8}  {quality.state + breaches:<14}{f'{temp:.2f}' if temp is not None else '-':>9}  "
            f"{self.data or '-'}"
        )

    def disagreement(self) -> str | None:
        """What the policy measured, if it is not what the client saw of the same flights."""
        measured = self.quality.value if self.quality else None
        if measured is None or abs(measured - self.production) < AGREEMENT_MINUTES:
            return None
        return f"{self.name}: the policy measured a MAE of {measured:.3f}, the client {self.production:.3f}"


@dataclass
class Story:
    """All that happened."""

    weeks: list[WeekResult] = field(default_factory=list)
    retrainings: list[tuple[str, Retraining]] = field(default_factory=list)
    """With the week that each followed."""
    retries: int = 0
    seconds: float = 0

    def table(self) -> str:
        return "\n".join([HEAD, "-" * len(HEAD), *(week.line() for week in self.weeks)])

    def summary(self) -> str:
        lines = [
            f"{len(self.weeks)} weeks, {sum(w.rows for w in self.weeks)} flights answered by both models, "
            f"{self.retries} requests sent again, {self.seconds:.0f} s",
        ]
        lines += [retraining_line(week, run) for week, run in self.retrainings]
        if not self.retrainings:
            lines.append("the policy started no run")
        if promoted := [run for _, run in self.retrainings if run.promoted]:
            after = [w for w in self.weeks if w.version == promoted[-1].version]
            if after:
                old, new = mean(w.old for w in after), mean(w.production for w in after)
                lines.append(
                    f"since then the model in production is off by {new:.1f} minutes on average, the old one by "
                    f"{old:.1f}: {100 * (old - new) / old:.0f} % less"
                )
        return "\n".join(lines)


def mean(values) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def retraining_line(week: str, run: Retraining) -> str:
    """What came of one run, in a sentence."""
    if run.version is None:
        return f"after the week of {week}: {run.job} failed: {run.reason}"
    scores = ""
    if run.candidate is not None:
        scores = f" (MAE {run.candidate:.2f}"
        scores += f", the one in production {run.champion:.2f} on the same rows)" if run.champion is not None else ")"
    fate = "serves in production" if run.promoted else f"was not promoted: {run.reason}"
    return f"after the week of {week}: {run.job} made v{run.version}{scores}, which {fate}"
