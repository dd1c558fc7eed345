"""Which cell the figures of a function are of."""

from shared.platform.counting import PoolUse, durations
from shared.platform.scrape import Own
from shared.web.cold_start import COLD_START


def test_every_figure_of_a_function_has_the_label_of_its_cell_and_of_the_only_one_none() -> None:
    assert COLD_START in durations
    COLD_START.note(0.5)

    def labels(cell: str) -> list[set[str]]:
        own = Own("notify", lambda: PoolUse(size=2, in_use=1, idle=0), cell)
        return [set(sample.labels) for metric in own.collect() for sample in metric.samples]

    assert labels("delhi") == [names | {"cell"} for names in labels("")]
    assert not any("cell" in names for names in labels(""))
