"""Every key of the ConfigMap is a setting that exists, and every setting is in the ConfigMap or said to be elsewhere."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from shared.platform.settings import Settings
from tests.knative.conftest import FORMS
from tests.knative.manifests import containers, functions, named, of_kind

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

SETTINGS = {setting.name.upper() for setting in fields(Settings)}
SECRET_OF_DATABASE_CLIENTS = {"DB_USER", "DB_PASS", "RATE_LIMIT_STORAGE"}
# Who has these: test_manifests_hold.py.
SECRET = SECRET_OF_DATABASE_CLIENTS | {"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"}
SECRET_OF_THE_CONSOLE = {"CONSOLE_CLIENT_SECRET", "CONSOLE_SESSION_KEY"}
OF_EACH_FUNCTION = {"DB_POOL_SIZE"}
OF_THE_FRAMEWORK = {"FUNCTION_SOURCE", "FUNCTION_TARGET"}
OF_THE_MIGRATION = {"DB_APP_USER", "DB_APP_PASS"}


def _config_map(manifests: list[Manifest]) -> dict[str, str]:
    (found,) = [m for m in of_kind(manifests, "ConfigMap") if m["metadata"]["name"].startswith("payment-settings-")]
    data: dict[str, str] = found["data"]
    return data


@pytest.mark.parametrize("form", FORMS)
def test_the_config_map_has_exactly_the_settings_that_exist(built: Built, form: str) -> None:
    assert _config_map(built(form)).keys() == SETTINGS - SECRET - SECRET_OF_THE_CONSOLE - OF_EACH_FUNCTION


@pytest.mark.parametrize("form", FORMS)
def test_the_config_map_s_values_are_ones_that_a_function_starts_with(built: Built, form: str) -> None:
    Settings.read({**_config_map(built(form)), "DB_USER": "payment_app", "DB_PASS": "secret"})


def test_base_has_the_contract_s_defaults_but_for_addresses(built: Built) -> None:
    given, defaults = Settings.read(_config_map(built("base"))), Settings.read({})
    differing = {
        setting.name for setting in fields(Settings) if getattr(given, setting.name) != getattr(defaults, setting.name)
    }
    assert differing == {"db_host", "trip_service_url", "notification_service_url", "k_sink", "metrics_port"}


@pytest.mark.parametrize("form", FORMS)
def test_every_other_variable_of_a_function_or_the_job_is_a_setting_too(built: Built, form: str) -> None:
    manifests = built(form)
    steps = containers(named(manifests, "Job", "payment-migrate")["spec"]["template"])
    for function in functions(manifests):
        (container,) = function["spec"]["template"]["spec"]["containers"]
        if not container.get("envFrom"):
            continue  # not one of our functions
        names = {variable["name"] for variable in container["env"]}
        own = SECRET_OF_THE_CONSOLE if function["metadata"]["name"] == "console" else set()
        assert names <= SECRET | own | OF_EACH_FUNCTION | OF_THE_FRAMEWORK
        assert names >= own
        assert (names >= SECRET_OF_DATABASE_CLIENTS | OF_EACH_FUNCTION) == ("DB_USER" in names)
    for step in steps:
        assert {variable["name"] for variable in step["env"]} <= SETTINGS | OF_THE_MIGRATION
