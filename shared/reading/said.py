"""What a gateway said by itself of a payment, as it is kept: for whoever argues with a bank."""

import json
from datetime import datetime
from typing import NamedTuple

from shared.platform.database import Database

# As many as a person reads, the newest.
MOST = 50


class Said(NamedTuple):
    """One event of the gateway's, or one read because of such: `source` says which. `said` is all of it, but for secrets and
    card data, as JSON text in lines."""

    at: datetime
    source: str
    type: str
    object_id: str
    said: str


def said_of(database: Database, payment_id: int) -> list[Said]:
    """What was said of a payment, its refunds and its disputes, newest first. Raises DatabaseUnavailable."""
    rows = database.run_again("said_of", payment_id=payment_id, limit=MOST)
    return [Said(**row | {"said": json.dumps(json.loads(row["said"]), indent=2, ensure_ascii=False)}) for row in rows]
