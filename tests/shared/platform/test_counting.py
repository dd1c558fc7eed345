"""What is counted of this process's own work."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from shared.platform.counting import BOUNDS, Counts, Durations


def test_what_threads_count_at_once_is_counted_once_each() -> None:
    counts, durations = Counts("n_total", "n", "of"), Durations("s", "s", "of")

    def work(number: int) -> None:
        counts.count("a")
        durations.note(0.25 * (number % 2), "a")

    with ThreadPoolExecutor(8) as together:
        list(together.map(work, range(4000)))
    assert counts.read() == {("a",): 4000}
    took = durations.read()["a",]
    assert took.at_most[-1] == 4000
    assert took.seconds == 500


def test_a_duration_is_counted_for_every_bound_that_is_no_less() -> None:
    durations = Durations("s", "s")
    for seconds in (0.0, BOUNDS[0], 0.2, 99.0):
        durations.note(seconds)
    took = durations.read()[()]
    assert took.at_most == [2 if bound < 0.2 else 3 for bound in BOUNDS] + [4]


def test_to_count_loads_no_library_of_metrics() -> None:
    loads = (
        "import sys, shared.platform.counting, shared.platform.exposition\nprint('prometheus_client' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
