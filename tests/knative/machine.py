"""A machine with tools that stand for kubectl, minikube and docker, for the tests of the scripts."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.knative.fake_cluster import KOURIER, FakeCluster
from tests.knative.stand_ins import answered_by, put_on_the_path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "knative" / "deploy.sh"
# What the scripts use of a machine besides the three tools.
MACHINE = frozenset(
    [
        "awk",
        "base64",
        "bash",
        "cat",
        "cp",
        "curl",
        "cut",
        "date",
        "dirname",
        "env",
        "find",
        "grep",
        "head",
        "mkdir",
        "mktemp",
        "mv",
        "od",
        "rm",
        "sed",
        "seq",
        "sha256sum",
        "sh",
        "sleep",
        "sort",
        "tail",
        "tr",
        "xargs",
    ]
)
CORE = ["v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1"]
KNATIVE = ["serving.knative.dev/v1", "eventing.knative.dev/v1", "sources.knative.dev/v1"]
ISSUER = "https://kubernetes.default.svc.cluster.local"
KEYS = '{"keys": [{"use": "sig", "kty": "RSA", "kid": "first", "alg": "RS256", "n": "xj", "e": "AQAB"}]}'
DISCOVERY, JWKS = "/.well-known/openid-configuration", "/openid/v1/jwks"
IMAGE = "registry.example/payments:7"
TO_A_CLUSTER = ("--context", "there", "--image", IMAGE)


class Machine:
    """A machine with only what it is given, and a cluster that remembers."""

    def __init__(self, folder: Path, built_text: Callable[[str], str], cluster: FakeCluster, port: int) -> None:
        self.folder, self.cluster = folder, cluster
        (folder / "built").mkdir()
        (folder / "built" / "minikube").write_text(built_text("overlays/minikube"))
        # As whoever uses it completes it.
        (folder / "built" / "production").write_text(built_text("overlays/production+access"))
        self.path = folder / "bin"
        self.path.mkdir()
        for name in MACHINE:
            if found := shutil.which(name):
                (self.path / name).symlink_to(found)
        put_on_the_path(self.path, ("kubectl", "minikube", "docker"), port)
        self.environment = {
            "PATH": str(self.path),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "WAIT_STEP": "0.05",
            "ANSWER_WAIT": "1",
            # Nothing of ours obeys a proxy: this one answers nobody.
            **dict.fromkeys(("http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:1"),
        }
        self.set(
            minikube="running",
            docker=True,
            reachable=True,
            versions=CORE + KNATIVE,
            present=[
                "crd services.serving.knative.dev",
                "crd brokers.eventing.knative.dev",
                "deployment/controller",
                "deployment/eventing-controller",
                "service/kourier-internal",
            ],
            installed=[],
            images=[],
            built=[],
            objects={},
            resource_versions={},
            clock=1,
            named_by_revisions=[],
            old_pods=0,
            unanswered=[],
            broken=[],
            refusals=0,
            migration="succeeds",
            ingress_class=KOURIER,
            broker="http://broker-ingress.knative-eventing.svc.cluster.local/payments/payment-events",
            raw={DISCOVERY: json.dumps({"issuer": ISSUER, "jwks_uri": "https://192.0.2.1/openid/v1/jwks"}), JWKS: KEYS},
            authentication_oidc="",
            senders={},
            accounts=["payment-operator"],
            trip_is_paid='201 {"status": "SUCCESS"}',
            trip_is_told='200 {"answered": 202}',
            node="127.0.0.1",
            node_port=30082,
            service_port=18082,
            awake=False,
        )

    @property
    def state(self) -> dict[str, Any]:
        return deepcopy(self.cluster.state)

    def set(self, **changes: Any) -> None:
        self.cluster.state.update(deepcopy(changes))

    @property
    def calls(self) -> list[dict[str, Any]]:
        return list(self.cluster.calls)

    def said(self, *words: str) -> list[dict[str, Any]]:
        """The calls that have these words, in this order, anywhere."""
        return [call for call in self.calls if " ".join(words) in f"{call['tool']} {' '.join(call['arguments'])}"]

    def deploy(self, *options: str) -> "subprocess.CompletedProcess[str]":
        self.cluster.calls.clear()
        command = [str(self.path / "bash"), str(DEPLOY), "--timeout", "1", "--no-test", *options]
        within = 180 if "--cells" in options else 60  # several at once
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=within, stdin=subprocess.DEVNULL
        )
        self.has_nothing_left()
        return done

    def has_nothing_left(self) -> None:
        """No working folder, and no process (a forwarded port is let go)."""
        assert not [path for path in self.folder.iterdir() if path.name.startswith("tmp.")]
        deadline = time.monotonic() + 5
        while left := [
            p for p in psutil.process_iter(["cmdline"]) if str(self.folder) in " ".join(p.info["cmdline"] or [])
        ]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)

    def secret(self) -> dict[str, str]:
        data = self.state["objects"]["Secret/payment-database"]["data"]
        return {name: base64.b64decode(value).decode() for name, value in data.items()}


@contextmanager
def machine_in(folder: Path, built_text: Callable[[str], str]) -> Iterator[Machine]:
    cluster = FakeCluster(folder / "built")
    with answered_by(cluster.answer) as port:
        yield Machine(folder, built_text, cluster, port)


@dataclass(frozen=True)
class Deployed:
    """What one deployment to an empty cluster did."""

    said: str
    calls: list[dict[str, Any]]
    state: dict[str, Any]


def succeeded(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
