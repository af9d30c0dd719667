"""A client of the Open Inference Protocol v2, and of the gateway's feedback."""

import json
import time
import urllib.error
import urllib.request

from flights import schema
from flights.weeks import Row

TIMEOUT_SECONDS = 30
ATTEMPTS = 3
SECONDS_BETWEEN_ATTEMPTS = 1


class Unanswered(Exception):
    """A request that failed on every attempt."""


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

    def predict(self, request_id: str, rows: list[Row]) -> list[float]:
        """Predictions in the order of the rows."""
        answer = self._post(
            f"{self.url}/v2/models/{schema.MODEL_NAME}/infer",
            {"id": request_id, "inputs": tensors(rows)},
        )
        outputs = answer.get("outputs") or []
        predictions = outputs[0].get("data", []) if outputs else []
        if len(predictions) != len(rows):
            raise Unanswered(f"{self.url} answered {len(predictions)} predictions to {len(rows)} rows ({request_id})")
        return predictions

    def feedback(self, request_id: str, values: list[float]) -> None:
        """The true values for the rows of an earlier request, in their order."""
        answer = self._post(
            f"{self.admin_url}/v2/models/{schema.MODEL_NAME}/feedback",
            {"id": request_id, "labels": values},
        )
        joined = answer.get("joined")
        if joined != len(values):
            raise Unanswered(
                f"{self.admin_url} joined {joined} of {len(values)} labels to the predictions of {request_id}: "
                "it no longer knows the others; see monitoring.feedback.horizon and maxPending"
            )

    def _post(self, url: str, body: dict) -> dict:
        data = json.dumps(body).encode()
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self.retries += 1
                time.sleep(SECONDS_BETWEEN_ATTEMPTS)
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                    return json.loads(answer.read() or b"{}")
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace").strip()
                problem = f"HTTP {error.code}: {text[-300:]}"
                if error.code < 500:
                    break
            except (urllib.error.URLError, OSError, ValueError) as error:
                problem = str(error)
        raise Unanswered(f"POST {url} failed ({body['id']}): {problem}")
