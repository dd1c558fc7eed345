"""What a Prometheus on this machine is told of: the functions' own figures, the front door's, and the totals."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local.front_door_access import replace
from local.ports import HOST

Job = dict[str, Any]

# Whose figures are at ports of their own, beside the functions'.
FRONT_DOOR = "front_door"


def write(folder: Path, door: int, scraped: Mapping[str, int], cell: str = "") -> Path:
    """Writes prometheus.yml into `folder` and gives its path. The jobs and labels are those that knative/components/monitoring
    gives, so that its dashboard and its alerts are right here too. `scraped` has the port of each function's figures and of
    the front door's. `cell`: the label of this cell, empty where it is the only one."""
    functions = [port for name, port in scraped.items() if name != FRONT_DOOR]
    labels = {"namespace": f"payments-{cell}", "cell": cell} if cell else {"namespace": "payments"}
    jobs = [
        _job("payments/payment-functions", "/metrics", labels, *functions),
        _job("payments/payment-front-door", "/stats/prometheus", labels, scraped[FRONT_DOOR]),
        _job("payment-service", "/metrics/prometheus", labels, door),
    ]
    return _written(folder, jobs)


def write_all(folder: Path, of_cells: Iterable[Path]) -> Path:
    """Writes into `folder` the prometheus.yml of one Prometheus for all cells, from what `write` wrote for each, and gives its
    path."""
    jobs: dict[str, Job] = {}
    for path in of_cells:
        for job in json.loads(path.read_text(encoding="utf-8"))["scrape_configs"]:
            known = jobs.setdefault(job["job_name"], job | {"static_configs": []})
            known["static_configs"] += job["static_configs"]
    return _written(folder, list(jobs.values()))


def _job(name: str, path: str, labels: Mapping[str, str], *ports: int) -> Job:
    targets = [{"targets": [f"{HOST}:{port}" for port in ports], "labels": labels}]
    # Totals and functions say themselves of which cell they are, and are taken at their word.
    at_their_word = {"honor_labels": True} if "cell" in labels else {}
    return {"job_name": name, "metrics_path": path, **at_their_word, "static_configs": targets}


def _written(folder: Path, jobs: list[Job]) -> Path:
    path = folder / "prometheus.yml"
    configuration = {"global": {"scrape_interval": "15s"}, "scrape_configs": jobs}
    # Which is YAML too; and whole at any moment, since whoever looks after all cells reads what each writes.
    replace(path, json.dumps(configuration, indent=1))
    return path
