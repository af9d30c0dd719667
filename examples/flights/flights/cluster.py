"""The few requests to the Kubernetes API that the client needs, with its pod's own rights."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVER = "https://kubernetes.default.svc"
GROUP = "apis/millwright.dev/v1alpha1"
TIMEOUT_SECONDS = 15


class Refused(Exception):
    """The API server refused a request for good."""


class Cluster:
    """Reads and annotates Millwright's objects in one namespace."""

    def __init__(self, server: str = SERVER, account: Path = ACCOUNT):
        self.server, self.account = server, account
        self.namespace = (account / "namespace").read_text().strip()
        authority = account / "ca.crt"
        self.tls = ssl.create_default_context(cafile=authority) if authority.exists() else None

    def get(self, plural: str, name: str) -> dict | None:
        """The object; None when there is none, or when the API server can't be reached just now."""
        return self._request("GET", plural, name)

    def annotate(self, plural: str, name: str, key: str, value: str) -> None:
        """Sets one annotation."""
        body = {"metadata": {"annotations": {key: value}}}
        if self._request("PATCH", plural, name, body) is None:
            raise Refused(f"{plural}/{name} could not be annotated: it is gone, or the API server is")

    def _request(self, method: str, plural: str, name: str, body: dict | None = None) -> dict | None:
        url = f"{self.server}/{GROUP}/namespaces/{self.namespace}/{plural}/{name}"
        headers = {
            # Read each time: kubelet renews the token.
            "Authorization": f"Bearer {(self.account / 'token').read_text().strip()}",
            "Accept": "application/json",
            "Content-Type": "application/merge-patch+json",
        }
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=self.tls) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404 or error.code >= 500:
                return None
            text = error.read().decode(errors="replace")
            raise Refused(f"{method} {plural}/{name}: HTTP {error.code}: {message(text)}") from error
        except (urllib.error.URLError, OSError):
            return None


def message(text: str) -> str:
    """The sentence in the API server's Status object."""
    try:
        return json.loads(text).get("message", text)
    except ValueError:
        return text
