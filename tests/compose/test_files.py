"""The Dockerfile and docker-compose.yml as they are written: what needs no engine to be seen."""

import json
import re
from dataclasses import fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from local.event_token import EventToken
from local.postgres import WITHOUT_VALUES
from shared.platform.settings import Settings
from tests.compose.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
KNOWN = {setting.name.upper() for setting in fields(Settings)}
# Where there is no Broker nobody calls dead_letters.
OPERATIONS = sorted({path.parent.name for path in (ROOT / "functions").glob("*/main.py")} - {"dead_letters"})


def _instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def test_every_stage_stands_on_one_slim_python_of_a_fixed_version() -> None:
    bases = [rest.split()[0] for word, rest in _instructions() if word == "FROM"]
    assert len(bases) == 2
    assert set(bases) == {"python:${PYTHON}-slim"}
    arguments = [rest for word, rest in _instructions() if word == "ARG"]
    (version,) = [rest.removeprefix("PYTHON=") for rest in arguments if rest.startswith("PYTHON=")]
    assert re.fullmatch(r"3\.\d+", version)


def test_the_last_stage_runs_no_installer_and_ends_as_a_user_by_number() -> None:
    instructions = _instructions()
    last = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    stage = instructions[last:]
    runs = " ".join(rest for word, rest in stage if word == "RUN")
    assert not re.search(r"\b(pip|apt|apt-get|curl|wget|gcc)\b", runs)
    users = [rest for word, rest in stage if word == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])
    assert [word for word, _ in stage].index("USER") > max(
        i for i, (word, _) in enumerate(stage) if word in ("COPY", "RUN")
    )
    assert not any(word == "ADD" for word, _ in instructions), "COPY does what is meant"


def test_dependencies_come_as_wheels_by_their_hashes_and_leave_no_cache() -> None:
    (install,) = [rest for word, rest in _instructions() if word == "RUN" and "install" in rest]
    for option in ("--no-cache-dir", "--require-hashes", "--only-binary=:all:", "--requirement /tmp/run.txt"):
        assert option in install


def test_commands_are_in_exec_form_and_the_function_is_chosen_by_the_environment() -> None:
    (command,) = [rest for word, rest in _instructions() if word == "CMD"]
    assert command.startswith('["gunicorn"')
    environment = next(rest for word, rest in _instructions() if word == "ENV")
    assert "FUNCTION_SOURCE=" in environment
    assert "FUNCTION_TARGET=" in environment
    assert not re.search(r"(PASS|SECRET|KEY|TOKEN)\w*=", DOCKERFILE)


def test_what_the_dockerfile_copies_is_let_through_and_nothing_else_is() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    allowed = [line[1:].rstrip("/") for line in lines if line.startswith("!")]
    for word, rest in _instructions():
        if word == "COPY" and "--from" not in rest:
            source = rest.split()[0]
            assert any(name == source or name.startswith(f"{source}/") for name in allowed), source
    for secret in (".env", ".git", "README.md", "tests", ".data", "local/run.py"):
        assert not any(fnmatch(secret, name) or secret.startswith(f"{name}/") for name in allowed), secret


def test_compose_runs_every_function_and_what_is_around_them() -> None:
    targets = {name: s["environment"]["FUNCTION_TARGET"] for name, s in SERVICES.items() if "FUNCTION_TARGET" in str(s)}
    assert sorted(targets.values()) == OPERATIONS
    for name, target in targets.items():
        assert name == target.replace("_", "-")
        assert SERVICES[name]["environment"]["FUNCTION_SOURCE"] == f"/app/functions/{target}/main.py"
    around = {"passwords", "database", "migrate", "sweep-timer", "trip-service", "notification-service"}
    around |= {"front-door", "front-door-access"}
    assert SERVICES.keys() == targets.keys() | around


def test_compose_holds_no_password_and_the_example_gives_none() -> None:
    for line in COMPOSE.splitlines():
        if re.search(r"PASS(WORD)?(_FILE)?:|API_KEY:", line):
            assert re.search(r": (/passwords/\w+|\$\{\w+:-\})$", line), line
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text("utf-8").splitlines()
        if re.match(r"\w+=", line)
    )
    for name, value in example.items():
        if name.endswith(("PASSWORD", "API_KEY")):
            assert value == "", name
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE))
    written = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text("utf-8"), re.M))
    assert asked == written
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_the_defaults_of_compose_are_those_of_the_example_and_of_the_service() -> None:
    defaults = dict(re.findall(r"\$\{(\w+):?-([^}]*)\}", COMPOSE))
    example = dict(re.findall(r"^#?(\w+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.M))
    assert defaults == example
    elsewhere = {f"{name}_SERVICE_URL" for name in ("TRIP", "NOTIFICATION", "RIDER", "DRIVER")}
    for name in defaults.keys() & KNOWN - elsewhere:
        assert Settings.read({name: defaults[name]}) == Settings.read({}), name


def test_every_setting_can_be_changed_but_where_things_are_and_how_fast_the_machine_is() -> None:
    fixed = {"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS", "K_SINK", "K_CE_OVERRIDES"}
    # Everything that publishes or takes events is here.
    fixed |= {"AUTH_EVENTS", "EVENT_TOKEN_FILE"}
    # Between the containers, and on no port of the machine.
    fixed |= {"METRICS_PORT"}
    fixed |= {"DB_POOL_SIZE", "DB_CONNECT_TIMEOUT", "DB_STATEMENT_TIMEOUT", "EVENT_QUEUE_SIZE", "EVENT_SWEEP_AGE"}
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) >= KNOWN - fixed


def test_every_variable_of_a_function_is_a_setting() -> None:
    others = {"FUNCTION_SOURCE", "FUNCTION_TARGET", "DB_PASSWORD_FILE"}
    for name in (operation.replace("_", "-") for operation in OPERATIONS):
        assert set(SERVICES[name]["environment"]) <= KNOWN | others


def test_events_are_sent_and_taken_with_the_token_that_the_first_step_makes() -> None:
    made = EventToken(Path("/passwords/event-token"), Path("/passwords/event-keys.json"))
    assert (ROOT / "compose" / "passwords.sh").read_text("utf-8").endswith("python -m local.event_token /passwords\n")
    for name in ("create-payment", "create-refund", "sweep", "notify", "charge-trip", "sweep-timer", "trip-service"):
        environment = SERVICES[name]["environment"]
        assert environment["EVENT_TOKEN_FILE"] == made.settings["EVENT_TOKEN_FILE"]
        assert "passwords:/passwords:ro" in SERVICES[name]["volumes"]
        if name not in ("sweep-timer", "trip-service"):
            assert json.loads(environment["AUTH_EVENTS"]) == json.loads(made.settings["AUTH_EVENTS"])


def test_our_containers_are_read_only_and_may_do_nothing_special() -> None:
    for name, service in SERVICES.items():
        if name == "database":
            continue  # the image's entry point starts as root and steps down
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service
    assert [name for name, service in SERVICES.items() if service.get("user", "").startswith("0")] == ["passwords"]


def test_the_database_logs_what_fails_without_values() -> None:
    said = dict(each.split("=") for each in SERVICES["database"]["command"] if "=" in each)
    assert said == WITHOUT_VALUES


def test_only_the_front_door_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"front-door": ["127.0.0.1:${SERVICE_PORT:-8082}:8082"]}


def test_compose_and_kubernetes_use_the_same_images() -> None:
    """Kubernetes a fixed patch of each, Compose the newest of the same version."""
    pinned = yaml.safe_load((ROOT / "knative" / "base" / "kustomization.yaml").read_text("utf-8"))["images"]
    images = {entry["name"]: f"{entry.get('newName', entry['name'])}:{entry['newTag']}" for entry in pinned}
    assert re.fullmatch(re.escape(SERVICES["database"]["image"]) + r"\.\d+", images["postgres"])
    envoy = SERVICES["front-door"]["image"].removesuffix("-latest")
    assert re.fullmatch(re.escape(envoy) + r"\.\d+", images["envoy"])
    ours = {service["image"] for name, service in SERVICES.items() if name not in ("database", "front-door")}
    assert ours == {"payment-service:compose"}
    assert [name for name, service in SERVICES.items() if "build" in service] == ["passwords"]
