"""What the tests of the events share."""

import pytest

from tests.fakes.sink import Sink
from tests.support.till import Till


@pytest.fixture
def events(till: Till, sink: Sink) -> Till:
    """The till, whose events go to the sink."""
    return till
