"""What a Prometheus on this machine is told of, by one cell and by several."""

import json
from pathlib import Path
from typing import Any

from local import prometheus

PORTS = {"health": 1, "metrics": 2, prometheus.FRONT_DOOR: 3}


def jobs(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["scrape_configs"]
    return found


def test_the_only_cell_is_the_namespace_payments_and_has_no_label(tmp_path: Path) -> None:
    for job in jobs(prometheus.write(tmp_path, 4, PORTS)):
        assert [each["labels"] for each in job["static_configs"]] == [{"namespace": "payments"}]
        assert "honor_labels" not in job


def test_of_several_cells_each_has_its_own_labels_and_one_file_has_all(tmp_path: Path) -> None:
    written = []
    for number, cell in enumerate(("mumbai", "delhi")):
        folder = tmp_path / cell
        folder.mkdir()
        ports = {name: 10 * number + port for name, port in PORTS.items()}
        written.append(prometheus.write(folder, 10 * number + 4, ports, cell))
    path = prometheus.write_all(tmp_path, written)
    assert [job["job_name"] for job in jobs(path)] == [job["job_name"] for job in jobs(written[0])]
    for job, *of_each in zip(jobs(path), *map(jobs, written), strict=True):
        assert job["honor_labels"], "each says itself which it is"
        assert job["static_configs"] == [target for each in of_each for target in each["static_configs"]]
        labels = [target["labels"] for target in job["static_configs"]]
        assert labels == [{"namespace": f"payments-{cell}", "cell": cell} for cell in ("mumbai", "delhi")]
