"""What runs on one machine: the functions, their neighbours, a clock and the front door, as programs of the supervisor."""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from local import event_token, front_door, prometheus
from local.place import CHECKOUT, DATA, RUN
from local.ports import HOST
from local.postgres import Postgres, write_private
from local.supervisor import Program
from shared.platform.settings import Settings

FUNCTIONS = (
    *("create_payment", "create_refund", "get_payment", "gateway_webhook", "health", "metrics", "console"),
    *("notify", "sweep", "charge_trip", "reconcile"),
)
BEHIND_THE_DOOR = FUNCTIONS[:7]
SCRAPED = (*FUNCTIONS, prometheus.FRONT_DOOR)
NEIGHBOURS = {"trip_service": "TRIP_SERVICE_URL", "notification_service": "NOTIFICATION_SERVICE_URL"}
# Where the address of the Trip Service's stand-in is, for whoever wants to end a trip.
TRIP_SERVICE_ADDRESS = "trip-service"
DATABASE = "payments"
APPLICATION = "payment_app"


def stand_ins(environment: Mapping[str, str]) -> list[str]:
    """The neighbours that no URL names, and that a stand-in plays."""
    return [name for name, url in NEIGHBOURS.items() if not environment.get(url)]


def embedded_settings(postgres: Postgres) -> dict[str, str]:
    """The owner's settings for the embedded database, and the role for the functions with a password of its own."""
    secret = DATA / "application-password"
    if not secret.exists():
        write_private(secret, secrets.token_urlsafe(24))
    password = secret.read_text(encoding="ascii")
    return {**postgres.environment(DATABASE), "DB_APP_USER": APPLICATION, "DB_APP_PASS": password}


def function_settings(environment: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """The environment of the functions, from the owner's: the database under their own role, and the neighbours."""
    settings = dict(environment)
    role = settings.pop("DB_APP_USER", ""), settings.pop("DB_APP_PASS", "")
    if role[0]:
        settings["DB_USER"], settings["DB_PASS"] = role
    settings.pop("SERVICE_PORT", None)
    for name in stand_ins(environment):
        settings[NEIGHBOURS[name]] = f"http://{HOST}:{ports[name]}"
    if "trip_service" in stand_ins(environment):  # which knows who was on its trips
        for url in ("RIDER_SERVICE_URL", "DRIVER_SERVICE_URL"):
            settings[url] = environment.get(url) or settings["TRIP_SERVICE_URL"]
    if not environment.get("K_SINK"):
        settings["K_SINK"] = f"http://{HOST}:{ports['notify']}"
    return settings


def event_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Events come from ourselves alone, by a token made for this start; unless whoever starts the service says who sends them,
    or where they go: a token of ours is nobody else's."""
    if any(environment.get(name) for name in ("K_SINK", "AUTH_EVENTS", "EVENT_TOKEN_FILE")):
        return {}
    return event_token.write(RUN).settings


def programs(
    environment: Mapping[str, str],
    postgres: Postgres | None,
    door: int,
    ports: Mapping[str, int],
    scraped: Mapping[str, int],
) -> list[Program]:
    """Every process, in four groups: the front ones end first, the database last. `ports` are where they listen, `scraped`
    where their figures are."""
    made = [_database(postgres)] if postgres else []
    for name in stand_ins(environment):
        command = [sys.executable, "-m", f"local.{name}"]
        address = {"PORT": str(ports[name])}
        if name == "trip_service":
            address["PAYMENT_SERVICE_URL"] = f"http://{HOST}:{door}"
            address["TRIP_SINK"] = f"http://{HOST}:{ports['charge_trip']}"
            (RUN / TRIP_SERVICE_ADDRESS).write_text(f"http://{HOST}:{ports[name]}\n", encoding="ascii")
        made.append(Program(name, command, "neighbours", 20, environment=address))
    for name in FUNCTIONS:
        figures = {"METRICS_PORT": f"{HOST}:{scraped[name]}"}
        made.append(Program(name, _function(name, ports[name]), "functions", 30, environment=figures))
    sweep = {"FUNCTION_URL": f"http://{HOST}:{ports['sweep']}/"}
    made.append(Program("timer", [sys.executable, "-m", "local.timer"], "front", 40, environment=sweep))
    settings = Settings.read(environment)
    behind = {name: ports[name] for name in BEHIND_THE_DOOR}
    bootstrap = front_door.write(RUN, door, behind, settings=settings, figures=scraped[prometheus.FRONT_DOOR])
    prometheus.write(RUN, door, scraped, settings.cell_label)
    made.append(Program("front_door", front_door.command(bootstrap), "front", 40))
    if settings.auth_issuers:
        keeping = [sys.executable, "-m", "local.front_door_access", str(RUN / front_door.ACCESS), "--keep"]
        made.append(Program("front_door_access", keeping, "front", 40))
    return made


def _function(name: str, port: int) -> list[str]:
    source = str(CHECKOUT / "functions" / name / "main.py")
    # As a module: the script of that name starts with a path, and may not know how to quote it.
    framework = [sys.executable, "-m", "functions_framework"]
    return [*framework, "--source", source, "--target", name, "--host", HOST, "--port", str(port)]


def _database(postgres: Postgres) -> Program:
    user = postgres.account.name if postgres.account.switch else ""
    environment = {"LC_ALL": "C", "TZ": "UTC", "HOME": os.sep}
    root = Path(os.sep)
    return Program("postgres", postgres.command(), "database", 10, root, environment, user, stop="INT")
