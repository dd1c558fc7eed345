"""What a Prometheus on this machine is told of: the functions' own figures, the front door's, and the totals."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.ports import HOST

# Whose figures are at ports of their own, beside the functions'.
FRONT_DOOR = "front_door"


def write(folder: Path, door: int, scraped: Mapping[str, int], cell: str = "") -> Path:
    """Writes prometheus.yml into `folder` and gives its path. The jobs and labels are those that knative/components/monitoring
    gives, so that its dashboard and its alerts are right here too. `scraped` has the port of each function's figures and of
    the front door's; `cell` is what this one is called beside others, which all but the front door say themselves."""
    functions = [port for name, port in scraped.items() if name != FRONT_DOOR]
    jobs = [
        _job("payments/payment-functions", "/metrics", *functions),
        _job("payments/payment-front-door", "/stats/prometheus", scraped[FRONT_DOOR], cell=cell),
        _job("payment-service", "/metrics/prometheus", door),
    ]
    path = folder / "prometheus.yml"
    configuration = {"global": {"scrape_interval": "15s"}, "scrape_configs": jobs}
    path.write_text(json.dumps(configuration, indent=1), encoding="utf-8")  # which is YAML too
    return path


def _job(name: str, path: str, *ports: int, cell: str = "") -> dict[str, Any]:
    labels = {"namespace": "payments", **({"cell": cell} if cell else {})}
    targets = [{"targets": [f"{HOST}:{port}" for port in ports], "labels": labels}]
    return {"job_name": name, "metrics_path": path, "static_configs": targets}
