"""The settings of the tests: as they are by default, with time-outs so short that a test may wait for them."""

from local.ports import pick
from shared.platform.settings import Settings

(TRIP_PORT,) = pick(1)
ENVIRONMENT = {
    "TRIP_SERVICE_URL": f"http://127.0.0.1:{TRIP_PORT}/api/v1",
    "TRIP_SERVICE_TIMEOUT": "1",
    "GATEWAY_TIMEOUT": "1",
    "IDEMPOTENCY_LOCK_TIMEOUT": "3",
    "DB_CONNECT_TIMEOUT": "2",
    "DB_STATEMENT_TIMEOUT": "2",
    "EVENT_SWEEP_AGE": "0.1",
    "LOG_LEVEL": "INFO",
}
SETTINGS = Settings.read(ENVIRONMENT)
