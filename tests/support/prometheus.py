"""A real Prometheus, for a while."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3

from local.ports import HOST, pick
from tests.tools.prometheus import prometheus

Sample = dict[str, Any]


class Prometheus:
    """Scrapes what its configuration says, with its files in `folder`; ended with nothing left running."""

    def __init__(self, configuration: Mapping[str, Any], folder: Path) -> None:
        self._port = pick(1)[0]
        path = folder / "prometheus.yml"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        self._options = [
            f"--config.file={path}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={HOST}:{self._port}",
            "--log.level=error",
        ]
        self._log = folder / "prometheus.log"

    def __enter__(self) -> Self:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [prometheus(), *self._options], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def query(self, expression: str) -> list[Sample]:
        """The samples that an expression gives now; AssertionError where it is none. Empty until the server is there."""
        assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
        url = f"http://{HOST}:{self._port}/api/v1/query"
        try:
            reply = urllib3.request("POST", url, fields={"query": expression}, retries=False, timeout=10)
        except urllib3.exceptions.HTTPError:
            return []
        if reply.status == 503:  # it is starting
            return []
        answer = reply.json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found: list[Sample] = answer["data"]["result"]
        return found
