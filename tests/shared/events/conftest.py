"""What the tests of the events share."""

import pytest

from shared.events.publisher import Publisher
from tests.fakes.sink import Sink
from tests.support.till import Till


@pytest.fixture
def events(till: Till, sink: Sink) -> Till:
    """The till, with a publisher that was made when K_SINK was set."""
    till.publisher = Publisher(till.database)
    return till
