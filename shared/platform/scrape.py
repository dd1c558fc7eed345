"""One scrape: the figures of this process, as prometheus_client writes them."""

from collections.abc import Callable, Iterator
from socket import socket

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from shared.platform import counting
from shared.platform.cell_labels import of_cell
from shared.platform.counting import BOUNDS, PoolUse
from shared.platform.exposition import LONGEST

_BOUNDS = [*map(str, BOUNDS), "+Inf"]


def scraped(connection: socket, function: str, pool: Callable[[], PoolUse] | None, cell: str) -> None:
    """Reads a request and answers it: GET /metrics, in OpenMetrics or in Prometheus' text format, as it asks for. Raises
    OSError where the other side went away."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Own(function, pool, cell))
    _Request.factory(registry)(connection, "", None)  # it asks nothing of a server


class Own(Collector):
    """The figures of this process, each with the name of its function, and of its cell where that has one."""

    def __init__(self, function: str, pool: Callable[[], PoolUse] | None, cell: str) -> None:
        self._function = function
        self._pool = pool
        self._cell = cell

    def collect(self) -> Iterator[Metric]:
        return of_cell(self._cell, self._counted())

    def _counted(self) -> Iterator[Metric]:
        for each in counting.counts:
            counter = CounterMetricFamily(each.name, each.meaning, labels=["function", *each.labels])
            for labels, count in each.read().items():
                counter.add_metric([self._function, *labels], count)
            yield counter
        for durations in counting.durations:
            histogram = HistogramMetricFamily(durations.name, durations.meaning, labels=["function", *durations.labels])
            for labels, took in durations.read().items():
                buckets = list(zip(_BOUNDS, took.at_most, strict=True))
                histogram.add_metric([self._function, *labels], buckets, took.seconds)
            yield histogram
        if self._pool:
            yield from self._connections(self._pool())

    def _connections(self, use: PoolUse) -> Iterator[Metric]:
        size = GaugeMetricFamily(
            "payment_pool_size", "Connections to the database that there may be at most.", labels=["function"]
        )
        size.add_metric([self._function], use.size)
        yield size
        connections = GaugeMetricFamily(
            "payment_pool_connections", "Connections to the database that there are.", labels=["function", "state"]
        )
        for state, number in (("in_use", use.in_use), ("idle", use.idle)):
            connections.add_metric([self._function, state], number)
        yield connections


class _Request(MetricsHandler):
    timeout = LONGEST

    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        try:
            choose_encoder(self.headers.get("Accept", ""))
        except (TypeError, ValueError):
            self.send_error(400, "Accept names no version of a format")
            return
        super().do_GET()
