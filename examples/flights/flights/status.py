"""What the statuses of Millwright's objects say, in the words of this story."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Trigger:
    """A trigger of the policy, as last reported."""

    state: str = "Unknown"
    value: float | None = None
    threshold: float | None = None
    evaluations: int = 0
    breaches: int = 0
    message: str = ""
    columns: dict[str, float] | None = None


def trigger(policy: dict, check: str) -> Trigger | None:
    """The first trigger with this check (`quality` or `drift`); None when the policy has none."""
    name = next((t["name"] for t in policy["spec"]["triggers"] if check in t), None)
    if name is None:
        return None
    said = next((t for t in policy.get("status", {}).get("triggers", []) if t["name"] == name), {})
    return Trigger(
        state=said.get("state", "Unknown"),
        value=said.get("value"),
        threshold=said.get("threshold"),
        evaluations=said.get("evaluations", 0),
        breaches=sum(e["breach"] for e in said.get("recent", [])),
        message=said.get("message", ""),
        columns={c["name"]: c["value"] for c in said.get("columns", [])},
    )


def rows_per_evaluation(policy: dict) -> int:
    """How many rows a week must have to be exactly one evaluation of every trigger."""
    sizes = set()
    for each in policy["spec"]["triggers"]:
        if "quality" in each:
            sizes.add(each["quality"]["minLabels"])
        if "drift" in each:
            sizes.add(each["drift"]["minSamples"])
    if len(sizes) != 1:
        raise SystemExit(
            f"the policy's triggers have minLabels and minSamples {sorted(sizes)}; they must be one number, "
            "because a week of that many flights is to be one evaluation of each"
        )
    return sizes.pop()


def firing(policy: dict) -> int:
    """Number of the policy's last run; 0 when there was none."""
    return policy.get("status", {}).get("lastRun", {}).get("firing", 0)


def acts(policy: dict) -> bool:
    """Whether an acting trigger is breached, so that a run is due."""
    acting = {t["name"] for t in policy["spec"]["triggers"] if t.get("mode", "Act") == "Act"}
    said = policy.get("status", {}).get("triggers", [])
    return policy["spec"].get("mode", "Auto") == "Auto" and any(
        t["name"] in acting and t["state"] == "Breached" for t in said
    )


def stage(deployment: dict | None, name: str) -> dict:
    """Status of a stage; empty when there is none yet."""
    stages = (deployment or {}).get("status", {}).get("stages", [])
    return next((s for s in stages if s["name"] == name), {})


def current_version(deployment: dict | None, name: str) -> int | None:
    """Number of the version that a stage serves."""
    return stage(deployment, name).get("current", {}).get("version")


def serves_alone(deployment: dict | None, name: str, version: int) -> bool:
    """Whether a stage serves this version and no other is on its way in."""
    return current_version(deployment, name) == version and not stage(deployment, name).get("next")


def version_number(model_version: str) -> int:
    """7 of `flights-delay-v7`."""
    found = re.search(r"-v(\d+)$", model_version)
    if not found:
        raise SystemExit(f"{model_version} is not the name of a ModelVersion (MODEL-vN)")
    return int(found.group(1))


def refusal(deployment: dict, version: int) -> str | None:
    """Why a version was refused or taken back, if it was."""
    for here in deployment.get("status", {}).get("stages", []):
        coming = here.get("next") or {}
        if coming.get("version") == version and coming.get("phase") == "Refused":
            reasons = [f"gate {g['name']}: {g['message']}" for g in coming.get("gates", []) if g["state"] == "Failed"]
            return f"{here['name']} refused v{version}: {'; '.join(reasons)}"
        back = here.get("lastRollback") or {}
        if back.get("version") == version:
            return f"{here['name']} took v{version} back: {back.get('message', back.get('reason'))}"
    return None


def describe_run(run: dict) -> str:
    """Where a TrainingJob stands, in a few words."""
    said = run.get("status", {})
    text = said.get("phase", "Pending")
    if failure := said.get("failure"):
        text += f" ({failure['reason']}: {failure['message']})"
    return text


def describe_promotion(deployment: dict, version: int) -> str:
    """Where a version is on its way, in a few words."""
    parts = []
    for here in deployment.get("status", {}).get("stages", []):
        if here.get("current", {}).get("version") == version:
            parts.append(f"{here['name']} serves v{version}")
        elif (coming := here.get("next") or {}).get("version") == version:
            gates = ", ".join(f"{g['name']} {g['state'].lower()}" for g in coming.get("gates", []))
            parts.append(f"{here['name']} {coming['phase']}" + (f" ({gates})" if gates else ""))
    return "; ".join(parts) or f"v{version} has not entered yet"
