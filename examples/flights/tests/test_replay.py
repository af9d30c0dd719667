"""The client against a stand-in for the cluster: what it waits for, reports and refuses."""

import argparse
import contextlib
import csv
import io
import unittest

from flights import inference, replay, schema, waiting
from flights.cluster import Cluster
from flights.loop import Loop, Names, Timeouts
from tests.world import ROWS, World

WEEKS = ("2013-04-19", "2013-04-26", "2013-05-03", "2013-05-10", "2013-05-17")


class ReplayTest(unittest.TestCase):
    def setUp(self) -> None:
        poll, waiting.POLL_SECONDS = waiting.POLL_SECONDS, 0.01
        self.addCleanup(setattr, waiting, "POLL_SECONDS", poll)

    def world(self, **options) -> World:
        world = World(**options)
        self.addCleanup(world.close)
        for week in WEEKS:
            with (world.weeks / f"{week}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, schema.COLUMNS)
                writer.writeheader()
                for number in range(2 * ROWS):
                    writer.writerow(row(week, number))
        return world

    def replay(self, world: World, **options) -> replay.Replay:
        args = argparse.Namespace(
            **{
                "first": WEEKS[0],
                "last": WEEKS[-1],
                "seed": 1,
                "shuffle": False,
                "labels": True,
                "feeds": True,
                "weeks": world.weeks,
                "feed": world.feed,
            }
            | options
        )
        loop = Loop(Cluster(world.url, world.account), Names(), Timeouts(2, 2, 2, 2, 2), lambda _: None)
        told = replay.Replay(
            loop,
            inference.Client(f"{world.url}/production", f"{world.url}/production"),
            inference.Client(f"{world.url}/baseline", f"{world.url}/baseline"),
            args,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            told.tell()
        return told

    def test_fires_after_two_bad_weeks_and_serves_the_new_model(self) -> None:
        world = self.world()
        story = self.replay(world).story
        self.assertEqual([w.version for w in story.weeks], [1, 1, 1, 1, 2])
        self.assertEqual([round(w.old) for w in story.weeks], [8, 8, 16, 16, 16])
        self.assertEqual([round(w.production) for w in story.weeks], [8, 8, 16, 16, 8])
        ((after, run),) = story.retrainings
        self.assertEqual((after, run.version, run.candidate, run.promoted), ("2013-05-10", 2, 9.1, True))
        self.assertIsNone(replay.unexpected(story, 1))
        self.assertIn("50 % less", story.summary())
        self.assertEqual(sorted(f.stem for f in world.feed.iterdir()), list(WEEKS))
        again = 1  # What a pod of the old version has answered after the promotion.
        self.assertEqual(
            len(world.requests), len(WEEKS) * 2 * 2 * 2 + again, "two batches, two models, prediction and labels"
        )

    def test_stops_when_the_new_model_is_refused(self) -> None:
        story = self.replay(self.world(refuses=True)).story
        self.assertEqual(len(story.weeks), 4)
        self.assertIn("mae 15.1 is above the limit 12", replay.unexpected(story, 1))

    def test_says_when_the_policy_measured_something_else(self) -> None:
        story = self.replay(self.world(lies=0.5), last=WEEKS[0]).story
        self.assertIn("measured a MAE of 8.500, the client 8.000", replay.unexpected(story, 0))

    def test_feeds_the_weeks_before_the_first_at_once(self) -> None:
        world = self.world()
        self.replay(world, first=WEEKS[2], last=WEEKS[2])
        self.assertEqual(world.dataset, 3, "one version for the past, one for the week")
        self.assertEqual(len(list(world.feed.iterdir())), 3)

    def test_without_labels_nothing_is_fed_and_nothing_fires(self) -> None:
        world = self.world()
        story = self.replay(world, labels=False, feeds=False).story
        self.assertEqual((len(story.weeks), story.retrainings), (len(WEEKS), []))
        self.assertEqual(story.weeks[-1].quality.state, "Unknown")
        self.assertEqual(list(world.feed.iterdir()), [])
        self.assertIsNone(replay.unexpected(story, 0))
        self.assertIn("0 runs, 1 expected", replay.unexpected(story, 1))

    def test_names_what_it_waited_for_in_vain(self) -> None:
        with self.assertRaisesRegex(waiting.TimedOut, "drift trigger to evaluate"):
            self.replay(self.world(evaluates=False))

    def test_needs_one_size_for_all_triggers(self) -> None:
        world = self.world()
        policy = world.object("retrainpolicies", "flights-delay")
        policy["spec"]["triggers"][1]["drift"]["minSamples"] = 7
        world.object = lambda plural, name: policy if plural == "retrainpolicies" else World.object(world, plural, name)
        with self.assertRaisesRegex(SystemExit, r"\[7, 200\]"):
            self.replay(world)


def row(week: str, number: int) -> dict:
    month = int(week[5:7])
    return {
        "id": f"{week}-{number}",
        "scheduled_departure": f"{week}T06:00:00-04:00",
        "carrier": "AA",
        "origin": "JFK",
        "dest": "MIA",
        "distance": 1089,
        "departure_minute": 360,
        "weekday": month,
        "temp": 50.0,
        "dewp": 40.0,
        "humid": 70.0,
        "wind_dir": "",
        "wind_speed": 5.0,
        "precip": 0.0,
        "visib": 10.0,
        "air_time": 100,
    }


if __name__ == "__main__":
    unittest.main()
