"""What the tests of the manifests share: kustomize, and what it makes of each overlay."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.knative.machine import TO_A_CLUSTER, Deployed, Machine, machine_in, succeeded
from tests.tools.kustomize import kustomize as the_kustomize

ROOT = Path(__file__).resolve().parents[2]
KNATIVE = ROOT / "knative"

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def kustomize() -> str:
    return the_kustomize()


def own_overlay() -> Manifest:
    """The overlay that docs/production.md shows to whoever runs the service."""
    page = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(apiVersion: kustomize\.config.*?)```", page, re.S)
    found: Manifest = yaml.safe_load(text)
    return found


@pytest.fixture(scope="session")
def built_text(kustomize: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What kustomize makes of a folder below knative/, or of `base+COMPONENT…`, where `access` is who may call; each is built
    once."""
    built: dict[str, str] = {}
    copy = tmp_path_factory.mktemp("built") / "knative"

    def build(name: str) -> str:
        if name not in built:
            folder = KNATIVE / name
            if "+" in name:
                if not copy.exists():
                    shutil.copytree(KNATIVE, copy)
                base, *components = name.split("+")
                folder = copy / "overlays" / name.replace("/", "-")
                folder.mkdir()
                text: Manifest = {
                    "resources": [f"../../{base}"],
                    "components": [f"../../components/{each}" for each in components if each != "access"],
                }
                if "access" in components:
                    text["configMapGenerator"] = own_overlay()["configMapGenerator"]
                (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
            done = subprocess.run([kustomize, "build", str(folder)], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            built[name] = done.stdout
        return built[name]

    return build


@pytest.fixture(scope="session")
def built(built_text: Callable[[str], str]) -> Callable[[str], list[Manifest]]:
    """The manifests that kustomize makes of a folder; not to be changed."""
    return cache(lambda name: list(yaml.load_all(built_text(name), yaml.CSafeLoader)))


# Everything that may be deployed.
FORMS = (
    "base",
    "overlays/minikube",
    "overlays/production",
    "overlays/production+access",
    "overlays/minikube+eventing-oidc",
    "base+eventing",
    "base+pgbouncer",
    "base+monitoring",
)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, built_text: Callable[[str], str]) -> Deployed:
    with machine_in(tmp_path_factory.mktemp("first"), built_text) as machine:
        for tool in ("minikube", "docker"):
            (machine.path / tool).unlink()
        done = machine.deploy(*TO_A_CLUSTER)
        return Deployed(succeeded(done) + done.stderr, machine.calls, machine.state)


@pytest.fixture
def second(machine: Machine, deployed: Deployed) -> Machine:
    """A machine whose cluster has the service already."""
    machine.set(**deployed.state)
    return machine


@pytest.fixture
def machine(tmp_path: Path, built_text: Callable[[str], str]) -> Iterator[Machine]:
    with machine_in(tmp_path, built_text) as machine:
        yield machine
