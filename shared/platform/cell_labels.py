"""The label by which the figures of several cells are told apart."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric


def of_cell(cell: str, metrics: Iterable[Metric]) -> Iterator[Metric]:
    """The metrics, each sample with the label `cell`; as they are where the cell has no label, because it is the only one."""
    for metric in metrics:
        if cell:
            metric.samples = [each._replace(labels={**each.labels, "cell": cell}) for each in metric.samples]
        yield metric
