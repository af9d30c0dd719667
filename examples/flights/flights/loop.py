"""The loop as seen from outside: what the client asks of Millwright and waits for."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flights import feed, status
from flights.cluster import Cluster
from flights.waiting import TimedOut, until

REFRESH = "millwright.dev/refresh"


@dataclass(frozen=True)
class Names:
    """The objects of the story, all in one namespace."""

    dataset: str = "flights"
    deployment: str = "flights-delay"
    stage: str = "production"
    baseline: str = "flights-baseline"
    baseline_stage: str = "serving"
    policy: str = "flights-delay"


@dataclass(frozen=True)
class Timeouts:
    """Seconds."""

    serving: float = 300
    sync: float = 180
    evaluation: float = 120
    retraining: float = 600
    promotion: float = 420


@dataclass(frozen=True)
class Retraining:
    """What came of a run that the policy started."""

    job: str
    version: int | None = None
    candidate: float | None = None
    """MAE of the new model at its evaluation."""
    champion: float | None = None
    """MAE of the model in production on the same rows."""
    promoted: bool = False
    reason: str = ""
    """Why it was not promoted."""


class Surprise(Exception):
    """Something happened that this story has no place for."""


class Loop:
    """One namespace with the story's objects in it."""

    def __init__(self, cluster: Cluster, names: Names, timeouts: Timeouts, say: Callable[[str], None] = print):
        self.cluster, self.names, self.timeouts, self.say = cluster, names, timeouts, say

    def policy(self) -> dict | None:
        return self.cluster.get("retrainpolicies", self.names.policy)

    def deployment(self) -> dict | None:
        return self.cluster.get("modeldeployments", self.names.deployment)

    def dataset_version(self) -> str | None:
        dataset = self.cluster.get("datasets", self.names.dataset) or {}
        return dataset.get("status", {}).get("current", {}).get("version")

    def wait_until_watched(self) -> tuple[dict, int]:
        """The policy and the version in production, once both stages serve and the policy watches
        that version."""

        def check() -> tuple[dict, int] | None:
            baseline = self.cluster.get("modeldeployments", self.names.baseline)
            if status.current_version(baseline, self.names.baseline_stage) is None:
                return None
            version = status.current_version(self.deployment(), self.names.stage)
            policy = self.policy()
            watched = (policy or {}).get("status", {}).get("version")
            return (policy, version) if policy and version and watched == version else None

        return until(
            check,
            f"{self.names.deployment} and {self.names.baseline} to serve, and for the policy to watch",
            self.timeouts.serving,
        )

    def feed(self, source: Path, target: Path, week: str) -> tuple[str | None, list[str]]:
        """Puts the files up to `week` into the Dataset and waits for the version that has them.
        Returns that version and the weeks added."""
        before = self.dataset_version()
        added = feed.put(source, target, week)
        if not added:
            return before, added
        self.cluster.annotate("datasets", self.names.dataset, REFRESH, uuid.uuid4().hex)

        def check() -> str | None:
            now = self.dataset_version()
            return now if now and now != before else None

        return (
            until(check, f"Dataset {self.names.dataset} to have a version after {before}", self.timeouts.sync),
            added,
        )

    def wait_for_evaluation(self, check_name: str, version: int, before: int) -> dict:
        """The policy, once its trigger with this check has one more evaluation of `version` than
        `before`."""
        why = ""

        def check() -> dict | None:
            nonlocal why
            policy = self.policy()
            if policy is None:
                return None
            if policy["status"].get("version") != version:
                raise Surprise(
                    f"{self.names.stage} serves v{policy['status'].get('version')} in the middle of a week that "
                    f"began with v{version}: something else deploys here"
                )
            trigger = status.trigger(policy, check_name)
            why = trigger.message if trigger else f"the policy has no {check_name} trigger"
            return policy if trigger and trigger.evaluations > before else None

        try:
            return until(check, f"the policy's {check_name} trigger to evaluate the week", self.timeouts.evaluation)
        except TimedOut as late:
            raise TimedOut(f"{late}; the trigger says: {why or 'nothing'}") from late

    def follow_run(self, before: int) -> Retraining:
        """Follows the policy's run number `before + 1` to its end, and its model to production."""

        def fired() -> dict | None:
            policy = self.policy()
            return policy["status"]["lastRun"] if policy and status.firing(policy) > before else None

        run = until(fired, "the policy to start a run, since its trigger is breached", self.timeouts.evaluation)
        job = run["trainingJob"]
        self.say(f"    the policy starts {job} (trigger {run['trigger']})")
        seen: dict = {}

        def ended() -> bool | None:
            seen.update(self.cluster.get("trainingjobs", job) or {})
            return True if seen.get("status", {}).get("phase") in ("Succeeded", "Failed") else None

        until(
            ended,
            f"TrainingJob {job} to end",
            self.timeouts.retraining,
            lambda: f"{job}: {status.describe_run(seen)}",
            self.say,
        )
        said = seen["status"]
        if said["phase"] == "Failed":
            return Retraining(job, reason=status.describe_run(seen))
        scored = said.get("evaluation", {})
        version = status.version_number(said["modelVersion"])
        refusal = self._follow_promotion(version)
        return Retraining(
            job,
            version=version,
            candidate=scored.get("metrics", {}).get("mae"),
            champion=scored.get("championMetrics", {}).get("mae"),
            promoted=refusal is None,
            reason=refusal or "",
        )

    def _follow_promotion(self, version: int) -> str | None:
        """Waits until the version serves in the last stage and is watched there, or is refused;
        returns why it was refused."""
        seen: dict = {}

        def decided() -> str | None:
            seen.update(self.deployment() or {})
            if refusal := status.refusal(seen, version):
                return refusal
            if not status.serves_alone(seen, self.names.stage, version):
                return None
            watched = (self.policy() or {}).get("status", {}).get("version")
            return "" if watched == version else None

        return (
            until(
                decided,
                f"v{version} to serve in {self.names.stage}",
                self.timeouts.promotion,
                lambda: status.describe_promotion(seen, version),
                self.say,
            )
            or None
        )
