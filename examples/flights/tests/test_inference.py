"""Requests on the wire, the choice of rows, and what the smoke test calls sane."""

import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from flights import feed, inference, schema, smoke, weeks
from tests.test_replay import row


class InferenceTest(unittest.TestCase):
    def test_one_tensor_per_column_and_null_for_missing(self) -> None:
        rows = [{name: str(value) for name, value in row("2013-05-03", n).items()} for n in range(2)]
        tensors = {t["name"]: t for t in inference.tensors(rows)}
        self.assertEqual(tuple(tensors), schema.FEATURES)
        self.assertEqual(tensors["carrier"], {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA"] * 2})
        self.assertEqual(tensors["distance"]["data"], [1089, 1089])
        self.assertEqual((tensors["temp"]["datatype"], tensors["temp"]["data"]), ("FP64", [50.0, 50.0]))
        self.assertEqual(tensors["wind_dir"]["data"], [None, None])

    def test_shuffling_keeps_rows_and_sizes(self) -> None:
        told = [weeks.Week(name, [{"id": f"{name}{n}"} for n in range(50)]) for name in "abc"]
        mixed = weeks.shuffled(told, seed=1)
        self.assertEqual([len(w.rows) for w in mixed], [50, 50, 50])
        self.assertEqual(sorted(r["id"] for w in mixed for r in w.rows), sorted(r["id"] for w in told for r in w.rows))
        self.assertTrue(all(len({r["id"][0] for r in w.rows}) == 3 for w in mixed), "each week is a mix")
        self.assertEqual(mixed, weeks.shuffled(told, seed=1))

    def test_feed_adds_each_week_once(self) -> None:
        with TemporaryDirectory() as folder:
            source, target = Path(folder) / "weeks", Path(folder) / "feed"
            source.mkdir()
            target.mkdir()
            for name in ("2013-01-01", "2013-01-04", "2013-01-11"):
                (source / f"{name}.csv").write_text(name)
            self.assertEqual(feed.put(source, target, "2013-01-04"), ["2013-01-01", "2013-01-04"])
            self.assertEqual(feed.put(source, target, "2013-01-11"), ["2013-01-11"])
            self.assertEqual(
                sorted(f.name for f in target.iterdir()), ["2013-01-01.csv", "2013-01-04.csv", "2013-01-11.csv"]
            )

    def test_smoke_names_what_is_not_sane(self) -> None:
        rows = [{"id": "a", "dest": "BOS", "distance": "187"}, {"id": "b", "dest": "HNL", "distance": "4983"}]
        self.assertEqual(smoke.problems(rows, [40.0, 620.0]), [])
        self.assertIn("a to BOS: nan", smoke.problems(rows, [float("nan"), 620.0])[0])
        self.assertIn("b to HNL: 9000.0", smoke.problems(rows, [40.0, 9000.0])[0])
        self.assertIn("is not less than", smoke.problems(rows, [100.0, 100.0])[0])


if __name__ == "__main__":
    unittest.main()
