"""The front door of all cells (docs/cells.md): `CELLS=mumbai=1@HOST:PORT,... python -m local.front_door_cells FOLDER`.

It writes into that folder what depends on the list, and ends: `tokens.json` (nothing is asked of callers: their cell does),
`answers.json` (the program that finds the cell) and `clusters.json` (where each cell's own front door is). Envoy reads anew
what is written anew. In a container the folder is /etc/access; in /etc/envoy beside it are listener.yaml (unchanged, of
knative/base/front-door), routes.yaml (of knative/cells-front-door) and a bootstrap with a `cds_config` for
/etc/access/clusters.json.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.front_door_access import ANSWERS, API, TOKENS, discovered, document, pattern, quoted, replace
from shared import VERSION
from shared.platform.settings import stop
from shared.rules.cells import Cell, read_cells
from shared.web.problems import Problem
from shared.web.routes import LIVENESS, ROUTES

CLUSTERS = "clusters.json"
ROUTES_FILE = Path(__file__).parent.parent / "knative" / "cells-front-door" / "routes.yaml"
LUA = Path(__file__).with_suffix(".lua")
# As many connections as Envoy's bootstrap lets in: all cells together hold no more.
ROOM = 4096
# What no cell has for itself: what health answers, and of the console what has no figures.
OF_NONE = (
    *(each.template for each in ROUTES if each.function == "health"),
    *(LIVENESS, "/cells", "/console/cells", "/console/files/{file}"),
)
# Kept shorter than a cell's front door keeps a connection (75 and 600 s), which so never closes one that is being used.
KEPT = {"idle_timeout": "30s", "max_connection_duration": "300s"}
# A connection a second tells whether somebody listens there: after three failures in turn nothing waits for the cell.
WATCHED = {
    "timeout": "1s",
    "interval": "1s",
    "no_traffic_interval": "1s",
    "unhealthy_threshold": 3,
    "healthy_threshold": 1,
    "tcp_health_check": {},
}


def write_list(folder: Path, cells: Sequence[Cell]) -> None:
    """Writes TOKENS, CLUSTERS and ANSWERS. Raises ValueError where a cell has no address, or there is none."""
    if not cells or not all(cell.address for cell in cells):
        raise ValueError("a list that has the address of each cell's own front door: NAME=NUMBER@HOST:PORT")
    folder.mkdir(exist_ok=True)
    replace(folder / TOKENS, discovered("tokens", "jwt_authn.v3.JwtAuthentication", {}))
    shares = len(cells) + 1
    clusters = [*(_cluster(str(cell.number), [cell], shares) for cell in cells), _cluster("any", cells, shares)]
    replace(folder / CLUSTERS, json.dumps({"resources": clusters}, indent=1))
    # Last: nothing is to be sent to a cell before it is known where that is.
    program = {"default_source_code": {"inline_string": _program(cells)}}
    replace(folder / ANSWERS, discovered("access", "lua.v3.Lua", program))


def write(
    folder: Path,
    port: int,
    cells: Sequence[Cell],
    figures: int | None = None,
    listener_changes: Mapping[str, str] | None = None,
) -> Path:
    """Writes the configuration for one machine into `folder` and gives the path of its bootstrap, for front_door.command.

    `figures` is the port for /stats/prometheus. `listener_changes` replaces words of the shared files, for tests. Raises
    ValueError as write_list.
    """
    from local import front_door  # it has Envoy with it, which the image has not

    access = folder / front_door.ACCESS
    write_list(access, cells)
    front_door.write_shared(folder, port, ROUTES_FILE, listener_changes)
    clusters = {"dynamic_resources": {"cds_config": front_door.from_file(access / CLUSTERS)}}
    return front_door.write_bootstrap(folder, figures, clusters)


def _program(cells: Sequence[Cell]) -> str:
    named = ", ".join(f"{{name = {quoted(cell.name)}, number = {quoted(str(cell.number))}}}" for cell in cells)
    lists = [
        f"local cells, service_version = {{{named}}}, {quoted(VERSION)}",
        f"local of_none = {{{', '.join(quoted(pattern(each)) for each in OF_NONE)}}}",
        f"local not_found = {{{document(Problem('payment_not_found', 'There is no payment with this id.'))}}}",
    ]
    return "\n".join([*lists, LUA.read_text(encoding="utf-8")])


def _cluster(name: str, cells: Sequence[Cell], shares: int) -> dict[str, Any]:
    """Where these cells are; and how much of this front door they may hold at most, so that one that hangs leaves the rest to
    the others: one half for what is being answered, the other for what waits for a connection."""
    half = ROOM // shares // 2
    limits = {"max_connections": half, "max_pending_requests": half, "max_requests": half, "max_retries": 2 * half}
    http = {"common_http_protocol_options": KEPT, "explicit_http_config": {"http_protocol_options": {}}}
    options = f"{API}.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "@type": f"{API}.config.cluster.v3.Cluster",
        "name": name,
        "alt_stat_name": name if name == "any" else cells[0].name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "health_checks": [WATCHED],
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": options, **http}
        },
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": name,
            # In the order of the list: the first that is not down answers, so that a page and what it loads are of one version.
            "endpoints": [
                {"priority": priority, "lb_endpoints": [{"endpoint": {"address": _address(cell)}}]}
                for priority, cell in enumerate(cells)
            ],
        },
    }


def _address(cell: Cell) -> dict[str, Any]:
    host, port = cell.place
    return {"socket_address": {"address": host, "port_value": port}}


def main() -> None:
    try:
        write_list(Path(sys.argv[1]), read_cells(os.environ.get("CELLS", "")))
    except ValueError as wrong:
        stop(f"CELLS must be {wrong}")


if __name__ == "__main__":
    main()
