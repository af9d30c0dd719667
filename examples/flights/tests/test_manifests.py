"""What the manifests promise each other."""

import textwrap
import unittest
from pathlib import Path

from flights.loop import Names

FOLDER = Path(__file__).parent.parent


def block(file: str, line: str) -> str:
    """The lines under `line`, moved to the left."""
    _, _, rest = (FOLDER / file).read_text().partition(f"\n{line}\n")
    return textwrap.dedent(rest)


class ManifestsTest(unittest.TestCase):
    def test_the_policy_repeats_the_first_run_word_for_word(self) -> None:
        self.assertTrue(block("03-model.yaml", "spec:").startswith("model: flights-delay\n"))
        self.assertEqual(block("06-policy.yaml", "    spec:"), block("03-model.yaml", "spec:"))

    def test_the_client_knows_the_objects_by_their_names(self) -> None:
        text = "".join(file.read_text() for file in sorted(FOLDER.glob("0*.yaml")))
        names = Names()
        for name in (names.dataset, names.deployment, names.baseline, names.policy):
            self.assertIn(f"\n  name: {name}\n", text)
        for stage in (names.stage, names.baseline_stage):
            self.assertIn(f"\n    - name: {stage}\n", text)


if __name__ == "__main__":
    unittest.main()
