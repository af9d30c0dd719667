"""Replays the weeks of 2013 as live traffic, and tells afterwards how long the flights really took.

Each week: its flights go to the model in production and, the same requests, to the old model kept
beside it; then its file goes into the Dataset; then the true times go to the gateways as feedback;
then the client waits until the policy has evaluated the week. When the policy starts a run, it
waits for what comes of it. Nothing here depends on the clock.
"""

import argparse
import sys
import time
import uuid
from pathlib import Path

from flights import feed, inference, status, weeks
from flights.cluster import Cluster, Refused
from flights.loop import Loop, Names, Surprise, Timeouts
from flights.report import HEAD, Story, WeekResult
from flights.waiting import TimedOut

BATCH = 100
"""Flights per request."""


class Replay:
    """Sends weeks and follows what they lead to."""

    def __init__(self, loop: Loop, production: inference.Client, baseline: inference.Client, args: argparse.Namespace):
        self.loop, self.production, self.baseline, self.args = loop, production, baseline, args
        self.story, self.run = Story(), uuid.uuid4().hex[:8]

    def tell(self) -> None:
        """All weeks, one after the other, up to a run that brings nothing into production."""
        policy, version = self.loop.wait_until_watched()
        size = status.rows_per_evaluation(policy)
        todo = weeks.between(self.args.weeks, self.args.first, self.args.last, size, self.args.seed)
        if self.args.shuffle:
            todo = weeks.shuffled(todo, self.args.seed)
        print(f"v{version} is in production; {len(todo)} weeks of {size} flights follow\n\n{HEAD}", flush=True)
        if self.args.feeds:
            self.catch_up(self.args.first)
        for week in todo:
            version = self.week(week, version)
            if self.story.retrainings and not self.story.retrainings[-1][1].promoted:
                break

    def catch_up(self, first: str) -> None:
        """Puts the files of the weeks before the first one, which are already past."""
        past = [name for name in weeks.files(self.args.weeks) if name < first]
        if past:
            self.loop.feed(self.args.weeks, self.args.feed, past[-1])

    def week(self, week: weeks.Week, version: int) -> int:
        """One week; returns the version in production after it."""
        policy = self.loop.policy() or {"spec": {"triggers": []}}
        fired = status.firing(policy)
        before = {check: status.trigger(policy, check) for check in ("quality", "drift")}
        batches = [
            (f"{self.run}-{week.name}-{at // BATCH:03}", week.rows[at : at + BATCH])
            for at in range(0, len(week.rows), BATCH)
        ]
        sent = [self.send(request_id, rows, version) for request_id, rows in batches]
        data = self.loop.dataset_version()
        if self.args.feeds:
            data, _ = self.loop.feed(self.args.weeks, self.args.feed, week.name)
        if self.args.labels:
            for (_, rows), (old, new) in zip(batches, sent, strict=True):
                for client, answer in ((self.production, new), (self.baseline, old)):
                    client.feedback(answer.request_id, inference.labels(rows))
        for check in ("drift", "quality") if self.args.labels else ("drift",):
            if before[check] is not None:
                policy = self.loop.wait_for_evaluation(check, version, before[check].evaluations)

        true = inference.labels(week.rows)
        result = WeekResult(
            week.name,
            len(true),
            mean_absolute_error([answer for answer, _ in sent], true),
            mean_absolute_error([answer for _, answer in sent], true),
            version,
            data,
            status.trigger(policy, "quality"),
            status.trigger(policy, "drift"),
        )
        self.story.weeks.append(result)
        print(result.line(), flush=True)
        if status.firing(policy) == fired and not status.acts(policy):
            return version
        retraining = self.loop.follow_run(fired)
        self.story.retrainings.append((week.name, retraining))
        return retraining.version if retraining.promoted and retraining.version else version

    def send(self, request_id: str, rows: list[weeks.Row], version: int) -> tuple[inference.Answer, inference.Answer]:
        """One batch to both models."""
        new = self.production.predict_by(version, request_id, rows, self.loop.timeouts.serving)
        return self.baseline.predict(request_id, rows), new


def mean_absolute_error(answers: list[inference.Answer], true: list[float]) -> float:
    predicted = (prediction for answer in answers for prediction in answer.predictions)
    return sum(abs(p - t) for p, t in zip(predicted, true, strict=True)) / len(true)


def unexpected(story: Story, firings: int) -> str | None:
    """What is not as it should have been."""
    if len(story.retrainings) != firings:
        return f"the policy started {len(story.retrainings)} runs, {firings} expected"
    for week, run in story.retrainings:
        if not run.promoted:
            return f"the run after the week of {week} brought nothing into production: {run.reason}"
    return next((said for each in story.weeks if (said := each.disagreement())), None)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="first", default="2013-03-01", help="first day of the first week")
    parser.add_argument("--to", dest="last", default="2013-06-28", help="first day of the last week")
    parser.add_argument("--seed", type=int, default=1, help="chooses the flights, and shuffles them")
    parser.add_argument("--shuffle", action="store_true", help="mix all times; nothing is fed, nothing may fire")
    parser.add_argument(
        "--no-labels",
        dest="labels",
        action="store_false",
        help="never tell the true times; nothing is fed, nothing may fire",
    )
    parser.add_argument("--expect-runs", type=int, help="runs that the policy must start; else the end is an error")
    parser.add_argument("--weeks", type=Path, default=feed.WEEKS, help="folder with all weekly files")
    parser.add_argument("--feed", type=Path, default=Path("/feed"), help="the Dataset's folder")
    parser.add_argument("--production", default="http://flights-delay-production")
    parser.add_argument("--production-admin", default="http://flights-delay-production:9001")
    parser.add_argument("--baseline", default="http://flights-baseline-serving")
    parser.add_argument("--baseline-admin", default="http://flights-baseline-serving:9001")
    args = parser.parse_args()
    args.feeds = args.labels and not args.shuffle
    if args.expect_runs is None:
        args.expect_runs = 1 if args.feeds else 0
    return args


def main() -> None:
    args = arguments()
    replay = Replay(
        Loop(Cluster(), Names(), Timeouts(), say=lambda text: print(text, flush=True)),
        inference.Client(args.production, args.production_admin),
        inference.Client(args.baseline, args.baseline_admin),
        args,
    )
    start, problem = time.monotonic(), None
    try:
        replay.tell()
    except (TimedOut, Surprise, Refused, inference.Unanswered) as error:
        problem = f"the replay stopped after {len(replay.story.weeks)} weeks: {error}"
    story = replay.story
    story.seconds = time.monotonic() - start
    story.retries = replay.production.retries + replay.baseline.retries
    if story.weeks:
        print(f"\n{story.table()}\n\n{story.summary()}", flush=True)
    problem = problem or unexpected(story, args.expect_runs)
    if problem:
        sys.exit(f"\nfailed: {problem}")


if __name__ == "__main__":
    main()
