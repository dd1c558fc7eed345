"""What the tests of the events share."""

import pytest

from shared.publisher import Publisher
from tests.fakes.sink import Sink
from tests.support.ledger import Till


@pytest.fixture
def events(till: Till, sink: Sink) -> Till:
    """The till, with a publisher that was made when K_SINK was set."""
    till.publisher = Publisher(till.database)
    return till
