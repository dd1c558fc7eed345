"""compose/cells.yaml and cell.yaml as they are written, and the front door of cells with the very files its container gets."""

import re
from pathlib import Path
from typing import Any

import yaml

from local.front_door_cells import CLUSTERS, ROUTES_FILE, write_list
from local.ports import pick
from shared.rules.cells import Cell
from tests.compose.conftest import ROOT
from tests.local.cells import cells_at, id_of
from tests.local.doors import HOST, Door, Function, started

CELLS: dict[str, Any] = yaml.safe_load((ROOT / "compose" / "cells.yaml").read_text("utf-8"))
CELL: dict[str, Any] = yaml.safe_load((ROOT / "compose" / "cell.yaml").read_text("utf-8"))
ONE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
LISTENER = ROOT / "knative" / "base" / "front-door" / "listener.yaml"


def _mounted(service: dict[str, Any]) -> dict[str, Path]:
    """What each file of the container is, by its path there."""
    files = (volume.split(":") for volume in service["volumes"] if volume.startswith("."))
    return {inside: (ROOT / "compose" / outside).resolve() for outside, inside, *_ in files}


def test_cells_meet_in_one_network_under_their_names() -> None:
    assert CELL["networks"]["cells"] == {"name": CELLS["networks"]["default"]["name"], "external": True}
    joined = CELL["services"]["front-door"]["networks"]
    assert joined.keys() == {"default", "cells"}
    assert joined["cells"]["aliases"][0].startswith("${CELL_NAME:?")
    assert CELL["services"].keys() == {"front-door"}, "nothing else of a cell is seen by another"


def test_what_starts_a_cell_knows_which_it_is() -> None:
    settings = ONE["services"]["create-payment"]["environment"]
    assert (settings["CELL"], settings["CELL_NAME"], settings["CELLS"]) == (
        "${CELL:-0}",
        "${CELL_NAME:-}",
        "${CELLS:-}",
    )
    assert ONE["services"]["migrate"]["environment"]["CELL"] == "${CELL:-0}"


def test_the_front_door_of_cells_is_as_locked_up_as_that_of_a_cell() -> None:
    theirs, ours = ONE["services"]["front-door"], CELLS["services"]["front-door"]
    for word in ("image", "read_only", "user", "cap_drop", "security_opt", "command", "ports", "restart"):
        assert ours[word] == theirs[word], word
    written = CELLS["services"]["list"]
    assert written["command"] == ["python", "-m", "local.front_door_cells", "/etc/access"]
    assert (written["read_only"], written["cap_drop"], written["network_mode"]) == (True, ["ALL"], "none")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {"!local/front_door_cells.py", "!local/front_door_cells.lua"} <= set(ignored)


def test_the_container_s_files_lead_to_a_cell(tmp_path: Path) -> None:
    files = _mounted(CELLS["services"]["front-door"])
    assert files["/etc/envoy/listener.yaml"] == LISTENER
    assert files["/etc/envoy/routes.yaml"] == ROUTES_FILE
    port, admin, nobody = pick(3)
    mumbai = Function("mumbai")
    write_list(tmp_path / "access", cells_at({Cell("mumbai", 1): mumbai.server_port, Cell("delhi", 2): nobody}))
    assert f"path: /etc/access/{CLUSTERS}" in files["/etc/envoy/envoy.yaml"].read_text("utf-8")
    changes = {"0.0.0.0": HOST, "8082": str(port), "9901": str(admin), "/etc/envoy": str(tmp_path)}  # noqa: S104
    changes["/etc/access"] = str(tmp_path / "access")
    for inside, path in files.items():
        text = path.read_text("utf-8")
        for word, other in changes.items():
            text = text.replace(word, other)
        (tmp_path / Path(inside).name).write_text(text, "utf-8")
    door = Door(port, {"mumbai": mumbai}, tmp_path / "logs" / "log")
    try:
        with started(tmp_path, tmp_path / "envoy.yaml", door):
            assert door.ask("GET", f"/payments/{id_of(1)}").headers["x-function"] == "mumbai"
            assert not re.search(r"\[(warning|error|critical)\]", door.log.read_text())
    finally:
        mumbai.shutdown()
        mumbai.server_close()


def test_the_image_can_write_the_list() -> None:
    """It has no package for Envoy's sake: only one machine starts Envoy itself."""
    source = (ROOT / "local" / "front_door_cells.py").read_text("utf-8")
    ours = set(re.findall(r"^from local\.(\w+) import", source, re.M))
    image = (ROOT / ".dockerignore").read_text("utf-8")
    assert ours
    for module in ours:
        assert f"!local/{module}.py" in image
