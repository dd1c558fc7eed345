"""What a start takes from the shell that it is typed in, and what each program gets of that.

Anything else in a shell may be meant for another program, and change this one: DEBUG=1 has the functions' framework open a
debugger to whoever pays, PGHOSTADDR leads to another database.
"""

from collections.abc import Mapping
from dataclasses import fields

from shared.platform.settings import Settings

# What any program needs to find others, a home, its language and clock, and whom to trust.
PLAIN = frozenset({"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"})
PLAIN |= {"LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
SETTINGS = frozenset(setting.name.upper() for setting in fields(Settings))
FOR_THE_START = frozenset({"SERVICE_PORT", "DB_APP_USER", "DB_APP_PASS"})
# libpq's: how a connection is protected and its sessions are set up. Where it leads, and as whom, is said by DB_* alone.
PROTECTION = "PGSSL"
LIBPQ = frozenset({"PGCHANNELBINDING", "PGGSSENCMODE", "PGKRBSRVNAME", "PGOPTIONS", "PGPASSFILE", "PGREQUIREAUTH"})

# OpenTelemetry's: who is told of spans, by whom and how many. What would load other parts of it (OTEL_PYTHON_* and such) is
# not for a shell to say.
SPANS = "OTEL_EXPORTER_OTLP_ENDPOINT"
OTEL = (
    *("OTEL_EXPORTER_OTLP_", "OTEL_BSP_", "OTEL_TRACES_SAMPLER"),
    *("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED"),
)

# What leads somewhere, or opens it. The other settings are numbers and choices, which are checked together: every function
# has them all.
DATABASE = frozenset({"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS"})
GATEWAY = frozenset({"STRIPE_API_KEY", "STRIPE_ACCOUNT", "STRIPE_API_BASE"})
WEBHOOKS = frozenset({"STRIPE_WEBHOOK_SECRET"})
TRIPS = frozenset({"TRIP_SERVICE_URL"})
PEOPLE = frozenset({"RIDER_SERVICE_URL", "DRIVER_SERVICE_URL"})
EVENTS = frozenset({"K_SINK", "K_CE_OVERRIDES"})
NOTIFICATIONS = frozenset({"NOTIFICATION_SERVICE_URL"})
SENDS_EVENTS, TAKES_EVENTS = frozenset({"EVENT_TOKEN_FILE"}), frozenset({"AUTH_EVENTS"})
PUBLISHES = EVENTS | SENDS_EVENTS
RATES = frozenset({"RATE_LIMIT_STORAGE"})
SIGN_IN = frozenset(name for name in SETTINGS if name.startswith("CONSOLE_"))
DOORS = DATABASE | GATEWAY | WEBHOOKS | TRIPS | PEOPLE | EVENTS | NOTIFICATIONS
DOORS |= SENDS_EVENTS | TAKES_EVENTS | RATES | SIGN_IN
USED_BY = {
    "create_payment": DATABASE | GATEWAY | TRIPS | PUBLISHES | RATES,
    "create_refund": DATABASE | GATEWAY | PUBLISHES | RATES,
    "gateway_webhook": DATABASE | GATEWAY | WEBHOOKS | PUBLISHES | RATES,
    "get_payment": DATABASE | TRIPS | PEOPLE | RATES,
    "console": DATABASE | GATEWAY | TRIPS | PEOPLE | PUBLISHES | RATES | SIGN_IN,
    "health": DATABASE,
    "metrics": DATABASE,
    "notify": NOTIFICATIONS | TAKES_EVENTS,
    "sweep": DATABASE | GATEWAY | WEBHOOKS | PUBLISHES | TAKES_EVENTS,
    "charge_trip": DATABASE | GATEWAY | TRIPS | PUBLISHES | TAKES_EVENTS,
    "reconcile": DATABASE | GATEWAY | TAKES_EVENTS,
    "timer": SENDS_EVENTS,
    "trip_service": SENDS_EVENTS,
}
# How the program begins that runs a cell among several; no cell's name has a _ in it.
CELL = "cell_"
HAVE_SPANS = USED_BY.keys() - {"timer", "trip_service"}


def taken(shell: Mapping[str, str]) -> dict[str, str]:
    """The service's own settings and what every program needs. libpq's only where a database of one's own is named, and
    OpenTelemetry's only where somebody is to be told."""
    kept = PLAIN | SETTINGS | FOR_THE_START
    own_database, spans = bool(shell.get("DB_HOST")), bool(shell.get(SPANS))
    return {
        name: value
        for name, value in shell.items()
        if name in kept or (own_database and _protects_a_connection(name)) or (spans and name.startswith(OTEL))
    }


def known(name: str) -> bool:
    """Whether it means something to a start; any other name of a shell is somebody else's."""
    return name in PLAIN | SETTINGS | FOR_THE_START or _protects_a_connection(name) or name.startswith(OTEL)


def withheld(program: str, environment: Mapping[str, str]) -> list[str]:
    """The names in the environment that are not this program's. A cell finds its own among all; nobody else has any use for
    what is a cell's."""
    if program.startswith(CELL):
        return []
    used: frozenset[str] = USED_BY.get(program, frozenset())
    return sorted(
        name
        for name in environment
        if not known(name)
        or (name in DOORS and name not in used)
        or (_protects_a_connection(name) and "DB_HOST" not in used)
        or (name.startswith(OTEL) and program not in HAVE_SPANS)
    )


def _protects_a_connection(name: str) -> bool:
    return name in LIBPQ or name.startswith(PROTECTION)
