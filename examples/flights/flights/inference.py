"""A client of the Open Inference Protocol v2, and of the gateway's feedback."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from flights import schema
from flights.waiting import until
from flights.weeks import Row

TIMEOUT_SECONDS = 30
ATTEMPTS = 3
SECONDS_BETWEEN_ATTEMPTS = 1


VERSION_HEADER = "x-millwright-version"
"""Number of the model's version that answered, said by the gateway."""


class Unanswered(Exception):
    """A request that failed on every attempt."""


@dataclass(frozen=True)
class Answer:
    """Predictions in the order of the rows, and where to send their labels."""

    request_id: str
    predictions: list[float]
    version: int | None


def tensors(rows: list[Row]) -> list[dict]:
    """One tensor per column. A missing value is null, as MLServer reads and writes it."""
    count = len(rows)

    def column(name: str) -> dict:
        values = [row[name] for row in rows]
        if name in schema.CATEGORICAL:
            return {"name": name, "shape": [count], "datatype": "BYTES", "data": values}
        if name in schema.INTEGERS:
            return {"name": name, "shape": [count], "datatype": "INT64", "data": [int(v) for v in values]}
        numbers = [float(v) if v else None for v in values]
        return {"name": name, "shape": [count], "datatype": "FP64", "data": numbers}

    return [column(name) for name in schema.FEATURES]


def labels(rows: list[Row]) -> list[float]:
    return [float(row[schema.LABEL]) for row in rows]


class Client:
    """One stage of a ModelDeployment. `retries` counts requests that had to be sent again."""

    def __init__(self, url: str, admin_url: str | None = None):
        self.url, self.admin_url, self.retries = url.rstrip("/"), (admin_url or "").rstrip("/"), 0

    def predict_by(self, version: int, request_id: str, rows: list[Row], seconds: float) -> Answer:
        """As `predict`, answered by this version.

        For a second after a stage has its new pods, connections still reach the old ones. What those
        answer counts for no version any more, so it is asked again, under another id."""
        tries = 0

        def ask() -> Answer | None:
            nonlocal tries
            answer = self.predict(f"{request_id}.{tries}" if tries else request_id, rows)
            tries += 1
            return answer if answer.version == version else None

        return until(ask, f"{self.url} to answer with v{version}", seconds)

    def predict(self, request_id: str, rows: list[Row]) -> Answer:
        """One request."""
        answer, version = self._post(
            f"{self.url}/v2/models/{schema.MODEL_NAME}/infer",
            {"id": request_id, "inputs": tensors(rows)},
        )
        outputs = answer.get("outputs") or []
        predictions = outputs[0].get("data", []) if outputs else []
        if len(predictions) != len(rows):
            raise Unanswered(f"{self.url} answered {len(predictions)} predictions to {len(rows)} rows ({request_id})")
        return Answer(request_id, predictions, int(version) if version else None)

    def feedback(self, request_id: str, values: list[float]) -> None:
        """The true values for the rows of an earlier request, in their order."""
        answer, _ = self._post(
            f"{self.admin_url}/v2/models/{schema.MODEL_NAME}/feedback",
            {"id": request_id, "labels": values},
        )
        joined = answer.get("joined")
        if joined != len(values):
            raise Unanswered(
                f"{self.admin_url} joined {joined} of {len(values)} labels to the predictions of {request_id}: "
                "it no longer knows the others; see monitoring.feedback.horizon and maxPending"
            )

    def _post(self, url: str, body: dict) -> tuple[dict, str | None]:
        """The answer, and the version that it is from."""
        data = json.dumps(body).encode()
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self.retries += 1
                time.sleep(SECONDS_BETWEEN_ATTEMPTS)
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                    return json.loads(answer.read() or b"{}"), answer.headers.get(VERSION_HEADER)
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace").strip()
                problem = f"HTTP {error.code}: {text[-300:]}"
                if error.code < 500:
                    break
            except (urllib.error.URLError, OSError, ValueError) as error:
                problem = str(error)
        raise Unanswered(f"POST {url} failed ({body['id']}): {problem}")
