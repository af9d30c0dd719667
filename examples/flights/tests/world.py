"""A stand-in for a namespace: two gateways and the API server, with a policy that decides as the
real one is documented to. Runs in this process, answers over HTTP, and needs no package."""

import json
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BREACHES, OF, RATIO, RECORDED = 2, 3, 1.3, 9.0
ROWS = 200

OLD_BIAS_FROM_MAY, GOOD = 16.0, 8.0
"""Errors in minutes: the old model's from May on, and that of any model on data it knows."""


class World:
    """The namespace. Every flight lasts 100 minutes; a model is off by exactly its error."""

    def __init__(self, refuses: bool = False, evaluates: bool = True, lies: float = 0.0):
        self.refuses, self.evaluates, self.lies = refuses, evaluates, lies
        self.folder = Path(tempfile.mkdtemp())
        self.weeks, self.feed, self.account = (self.folder / n for n in ("weeks", "feed", "account"))
        for folder in (self.weeks, self.feed, self.account):
            folder.mkdir()
        (self.account / "namespace").write_text("story")
        (self.account / "token").write_text("secret")
        self.dataset, self.production, self.firing = 1, 1, 0
        self.evaluations = {"quality": 0, "drift": 0}
        self.recent: list[dict] = []
        self.pending: dict[str, list[float]] = {}
        self.joined: list[float] = []
        self.seen = 0
        self.lingering = 0
        """Requests that the pods of the old version will still answer after a promotion."""
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def infer(self, model: str, request: dict) -> tuple[dict, int]:
        """Predictions, and the version that they are from: 100 minutes plus the error of the model in
        that month."""
        weekday = next(t for t in request["inputs"] if t["name"] == "weekday")["data"]
        old_pods = model == "production" and self.lingering > 0
        self.lingering -= old_pods
        version = 1 if model == "baseline" or old_pods else self.production
        # The tests' files carry the month in `weekday`: the one thing about time that is sent.
        predictions = [100 + (OLD_BIAS_FROM_MAY if month >= 5 and version == 1 else GOOD) for month in weekday]
        if model == "production" and not old_pods:
            self.pending[request["id"]] = predictions
            self.seen += len(predictions)
            if self.seen >= ROWS:
                self.seen, self.evaluations["drift"] = 0, self.evaluations["drift"] + self.evaluates
        output = {"name": "predict", "shape": [len(weekday), 1], "datatype": "FP64", "data": predictions}
        return {"id": request["id"], "outputs": [output]}, version

    def join(self, model: str, request: dict) -> dict:
        """Labels for earlier predictions."""
        if model == "production":
            predictions = self.pending.pop(request["id"])
            self.joined += [abs(p - t) for p, t in zip(predictions, request["labels"], strict=True)]
            if len(self.joined) >= ROWS and self.evaluates:
                self._evaluate()
        return {"joined": len(request["labels"])}

    def _evaluate(self) -> None:
        value = sum(self.joined) / len(self.joined)
        self.joined = []
        self.evaluations["quality"] += 1
        breach = {"breach": value > RATIO * RECORDED, "value": value, "samples": ROWS, "through": ""}
        self.recent = [breach, *self.recent][:OF]
        if self._breached():
            self.firing += 1

    def _breached(self) -> bool:
        return sum(e["breach"] for e in self.recent) >= BREACHES

    def object(self, plural: str, name: str) -> dict | None:
        """What the API server has."""
        if plural == "datasets":
            return {"status": {"current": {"version": f"v{self.dataset}"}}}
        if plural == "modeldeployments" and name == "flights-baseline":
            return {"status": {"stages": [{"name": "serving", "current": {"version": 1}}]}}
        if plural == "modeldeployments":
            return {"status": {"stages": [self._stage()]}}
        if plural == "trainingjobs":
            return {
                "status": {
                    "phase": "Succeeded",
                    "modelVersion": "flights-delay-v2",
                    "evaluation": {"metrics": {"mae": 9.1}, "championMetrics": {"mae": 16.2}},
                }
            }
        if plural == "retrainpolicies":
            return self._policy()
        return None

    def _stage(self) -> dict:
        stage: dict = {"name": "production", "current": {"version": self.production}}
        if self.firing and self.refuses:
            stage["next"] = {
                "version": 2,
                "phase": "Refused",
                "gates": [{"name": "quality", "state": "Failed", "message": "mae 15.1 is above the limit 12"}],
            }
        elif self.firing and self.production == 1:
            self.production, self.recent, self.lingering = 2, [], 1
            self.evaluations = {"quality": 0, "drift": 0}
        return stage

    def _policy(self) -> dict:
        state = "Unknown"
        if self.evaluations["quality"]:
            state = "Breached" if self._breached() else "Clear"
        last = {"trainingJob": "flights-delay-1234", "firing": self.firing, "trigger": "quality"}
        return {
            "spec": {
                "triggers": [
                    {"name": "quality", "quality": {"minLabels": ROWS}},
                    {"name": "weather", "mode": "Observe", "drift": {"minSamples": ROWS}},
                ]
            },
            "status": {
                "version": self.production,
                "triggers": [
                    {
                        "name": "quality",
                        "state": state,
                        "evaluations": self.evaluations["quality"],
                        "recent": self.recent,
                        **({"value": self.recent[0]["value"] + self.lies} if self.recent else {}),
                        "threshold": RATIO * RECORDED,
                        "message": "waits for labels",
                    },
                    {
                        "name": "weather",
                        "state": "Breached",
                        "evaluations": self.evaluations["drift"],
                        "value": 1.5,
                        "columns": [{"name": "temp", "value": 1.5, "drifted": True}],
                    },
                ],
                **({"lastRun": last} if self.firing else {}),
            },
        }

    def _handler(world):  # noqa: N805 - the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def reply(self, code: int, body: object, version: int | None = None) -> None:
                data = json.dumps(body).encode()
                self.send_response(code)
                if version:
                    self.send_header("X-Millwright-Version", str(version))
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def body(self) -> dict:
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def do_GET(self) -> None:
                plural, name = self.path.split("/")[-2:]
                found = world.object(plural, name)
                self.reply(200 if found else 404, found or {"message": "not found"})

            def do_PATCH(self) -> None:
                assert "millwright.dev/refresh" in self.body()["metadata"]["annotations"]
                world.dataset += 1
                self.reply(200, {})

            def do_POST(self) -> None:
                model, request = self.path.split("/")[1], self.body()
                world.requests.append(request["id"])
                if self.path.endswith("/infer"):
                    self.reply(200, *world.infer(model, request))
                else:
                    self.reply(200, world.join(model, request))

        return Handler
