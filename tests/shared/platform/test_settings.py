"""Settings: names, defaults, and one clear line for each that is wrong."""

import re
import subprocess
import sys
from decimal import Decimal

import pytest

from local.place import CHECKOUT
from shared.platform.settings import FRONT_DOOR, SettingError, Settings

CONTRACT = {
    "CELL": 0,
    "CELL_NAME": "",
    "CELLS": (),
    "BASE_FARE": Decimal("5.0"),
    "RATE_PER_KM": Decimal("2.5"),
    "CURRENCY": "INR",
    "FARE_ROUNDING": Decimal("0.01"),
    "COMMISSION_RATE": None,
    "IDEMPOTENCY_KEY_TTL": 86400,
    "IDEMPOTENCY_LOCK_TIMEOUT": 25,
    "GATEWAY": "simulated",
    "GATEWAY_TIMEOUT": 10,
    "GATEWAY_KEY_RETENTION": 23 * 3600,
    "NEXT_ACTION_TIMEOUT": 600,
    "GATEWAY_SUCCESS_RATE": 1,
    "STRIPE_METHODS": {"CARD", "WALLET"},
    "TRIP_SERVICE_TIMEOUT": 5,
    "RATE_LIMIT": "1000/second",
    "RATE_LIMIT_STORAGE": "",
    "STRIPE_WEBHOOK_SECRET": (),
    "LATE_PAYMENT": "refund",
    "WEBHOOK_RATE_LIMIT": "1000/second",
    "K_SINK": "",
}


@pytest.mark.parametrize(("name", "value"), CONTRACT.items())
def test_the_defaults_are_those_of_the_contract(name: str, value: object) -> None:
    assert getattr(Settings.read({}), name.lower()) == value


def test_every_setting_is_read_by_its_name() -> None:
    settings = Settings.read(
        {
            "DB_HOST": "db",
            "DB_PORT": "6432",
            "DB_NAME": "n",
            "DB_USER": "u",
            "DB_PASS": "p w",
            "TRIP_SERVICE_URL": "http://trip-service:8081/api/v1/",
            "NOTIFICATION_SERVICE_URL": "https://notify.example",
            "BASE_FARE": "0",
            "RATE_PER_KM": "12.345678",
            "IDEMPOTENCY_KEY_TTL": "3600",
            "LOG_LEVEL": "debug",
            "K_SINK": "http://broker.example/default",
            "K_CE_OVERRIDES": '{"extensions": {"tenant": "a"}}',
            "RATE_LIMIT": "",
            "GATEWAY_SUCCESS_RATE": "0.95",
            "METRICS_PORT": "127.0.0.1:9464",
        }
    )
    assert (settings.db_host, settings.db_port, settings.db_name, settings.db_user) == ("db", 6432, "n", "u")
    assert (settings.db_pass, settings.log_level, settings.rate_limit) == ("p w", "DEBUG", "")
    assert settings.trip_service_url == "http://trip-service:8081/api/v1"
    assert (settings.base_fare, settings.rate_per_km) == (Decimal(0), Decimal("12.345678"))
    assert settings.k_ce_overrides == {"tenant": "a"}
    assert settings.metrics_port == ("127.0.0.1", 9464)
    assert Settings.read({"METRICS_PORT": "9464"}).metrics_port == ("0.0.0.0", 9464)  # noqa: S104 - as it says
    assert Settings.read({}).metrics_port is None


WRONG = {
    "CELL": ["", "-1", "8192", "01", "one", " 1", "1.0", "١"],
    "CELL_NAME": ["Mumbai", "1", "new delhi", "-a", "a-", "a" * 33, "mumbai\n"],
    "CELLS": [
        "mumbai",
        "mumbai=",
        "=1",
        "mumbai=8192",
        "a=1,,b=2",
        "a=1,a=2",
        "a=1,b=1",
        "a=1@",
        "a=1@host",
        "a=1@h:1:2",
        "A=1",
    ],
    "DB_PORT": ["", "0", "65536", "x", "-1", "٥٤٣٢"],
    "DB_POOL_SIZE": ["0", "-1", "1.5", ""],
    "DB_CONNECT_TIMEOUT": ["0", "x", "-1", "nan", "inf"],
    "BASE_FARE": ["", "-1", "five", "NaN", "1e3", "12345678901", " 5"],
    "RATE_PER_KM": ["-0.1", "Infinity"],
    "CURRENCY": ["", "inr", "RUPEE", "IN"],
    "FARE_ROUNDING": ["0", "0.00", "-1", "0.001", "0.015", "1e3", "NaN", "100000.01", "1000000", "one", " "],
    "COMMISSION_RATE": ["-0.1", "1.1", "1.0000001", "0.1234567", ".2", "20%", "1e-1", "NaN", "0,2", " ", "0.2\n"],
    "LOCALE": ["", "english", "xx_XX", "en_IN/../de", "en_in", "EN", "en_IN\n"],
    "TIME_ZONE": ["", "IST5", "Asia/Atlantis", "/etc/passwd", "../UTC", "Asia"],
    "RIDER_SERVICE_URL": ["riders", "ftp://riders", "http://riders/?q=1"],
    "RECEIPT_SELLER": ["\x1b[31mRides", "a" * 81, "\n".join("1234567")],
    "RECEIPT_TAX_LINES": [
        "5",
        "{}",
        '["GST"]',
        '[{"name": "GST"}]',
        '[{"name": "GST", "rate": "5%"}]',
        '[{"name": "GST", "rate": "0"}]',
        '[{"name": "GST", "rate": "101"}]',
        '[{"name": "", "rate": "5"}]',
        '[{"name": "GST", "rate": "5", "on": "fare"}]',
        '[{"name": "GST", "rate": "5"}, {"name": "GST", "rate": "5"}]',
    ],
    "IDEMPOTENCY_KEY_TTL": ["0", "-5", "day"],
    "GATEWAY": ["", "paypal"],
    "GATEWAY_SUCCESS_RATE": ["1.01", "-0.1", "2", "all"],
    "NEXT_ACTION_TIMEOUT": ["0", "-1", "", "ten minutes"],
    "STRIPE_API_KEY": ["pk_live_1", "sk_1", "sk_live_", "live_1", "sk_test_1\n", "sk_test_ 1", "sk_test_é", "whsec_1"],
    "STRIPE_WEBHOOK_SECRET": [
        "sk_test_12345678",
        "whsec_",
        "whsec_1234567",
        "whsec_12345678,",
        "whsec_12345678 whsec_12345678",
        "whsec_1234567é",
        "whsec_12345678\n",
    ],
    "LATE_PAYMENT": ["", "keep", "Refund"],
    "WEBHOOK_RATE_LIMIT": ["fast", "0/second"],
    "STRIPE_METHODS": ["", "card", "CARD,", "CARD;UPI", "CARD, UPI", "CASH", "PAYPAL"],
    "STRIPE_ACCOUNT": ["acct_", "acct 1", "cus_1", "acct_1/live"],
    "TRIP_SERVICE_URL": [
        "",
        "trip:8081",
        "ftp://trip",
        "http://",
        "http://trip:99999",
        "http://trip:port",
        "http://[::1",
    ],
    "K_SINK": [
        "broker",
        "ftp://broker",
        "http://broker:0x50",
        " http://broker",
        "http://bro ker/",
        "http://broker/x\n",
        "http://user:pass@broker/",
        "http://broker/%zz",
        "http://broker/ü",
        "http://broker/a/../b",
        "http://broker/#a",
    ],
    "K_CE_OVERRIDES": [
        "x",
        "[]",
        '"a"',
        '{"extensions": [1]}',
        '{"extensions": {"Bad-Name": "x"}}',
        '{"extensions": {"a": 1}}',
        '{"extensions": {"id": "same"}}',
        '{"extensions": {"caller": "somebody"}}',
        '{"extensions": {"tenant": "a", "specversion": "0.2"}}',
    ],
    "RATE_LIMIT": ["fast", "0/second", "10/fortnight", "1000"],
    "RATE_LIMIT_STORAGE": [
        "redis",
        "redis://",
        "memory://",
        "memcached://cache:11211",
        "http://cache",
        "redis://cache:0",
        "redis://cache:99999",
        "redis://cache:port",
        "redis://ca che",
        "redis://cache/0\n",
        "redis://a@b@cache",
        "redis://cache/zero",
        "redis://cache?db=1",
    ],
    "LOG_LEVEL": ["LOUD", ""],
    "METRICS_PORT": ["0", "65536", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "name:9464", "::1:9464"],
    "DB_MAX_LIFETIME": ["3601"],
    "IDEMPOTENCY_LOCK_TIMEOUT": ["3601", "999999999", "0", "-1", " "],
    "EVENT_SWEEP_AGE": ["3601"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_the_settings_name_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.read({name: value})
    assert str(refused.value).startswith(f"{name} must be ")
    assert "\n" not in str(refused.value)
    assert "Invalid" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "redis://:pa%40ss@10.0.0.1:6379/0",
        "rediss://rates:p-_.~!w@cache.example:6380/15",
        "redis://[::1]:6379",
    ],
)
def test_a_store_is_a_redis_url_and_its_password_is_never_shown(url: str) -> None:
    assert Settings.read({"RATE_LIMIT_STORAGE": url}).rate_limit_storage == url
    with pytest.raises(SettingError) as refused:
        Settings.read({"RATE_LIMIT_STORAGE": "redis://:s3cr3t@ca che/0"})
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "times",
    [
        {"IDEMPOTENCY_LOCK_TIMEOUT": "15"},
        {"IDEMPOTENCY_LOCK_TIMEOUT": "60", "GATEWAY_TIMEOUT": "55"},
        {"IDEMPOTENCY_LOCK_TIMEOUT": "60", "TRIP_SERVICE_TIMEOUT": "50"},
    ],
)
def test_a_lease_must_outlast_the_trip_service_and_the_gateway_together(times: dict[str, str]) -> None:
    with pytest.raises(SettingError, match="IDEMPOTENCY_LOCK_TIMEOUT must exceed"):
        Settings.read(times)


@pytest.mark.parametrize(
    ("others", "seconds"),
    [
        ({}, 25),
        ({"GATEWAY_TIMEOUT": "4", "TRIP_SERVICE_TIMEOUT": "1"}, 13),
        ({"GATEWAY_TIMEOUT": "1", "TRIP_SERVICE_TIMEOUT": "20", "DB_STATEMENT_TIMEOUT": "2"}, 23),
        ({"STRIPE_API_KEY": "sk_live_x"}, 30),
        ({"STRIPE_API_KEY": "sk_live_x", "GATEWAY_TIMEOUT": "14"}, 33),
        ({"STRIPE_API_KEY": "sk_test_x", "STRIPE_API_BASE": "http://127.0.0.1:8420"}, 25),
        ({"IDEMPOTENCY_LOCK_TIMEOUT": "60"}, 60),
        ({"IDEMPOTENCY_LOCK_TIMEOUT": "15.5"}, 15.5),
    ],
)
def test_a_lease_is_as_short_as_what_it_covers_unless_the_setting_says_otherwise(
    others: dict[str, str], seconds: float
) -> None:
    """Asking and reading, or the Trip Service where that may take longer, and a statement; with Stripe what that may take."""
    assert Settings.read({"IDEMPOTENCY_LOCK_TIMEOUT": ""} | others).idempotency_lock_timeout == seconds


BROKEN_FOR_THE_GATEWAY: list[tuple[dict[str, str], str]] = [
    (
        {"STRIPE_API_KEY": "sk_live_x", "IDEMPOTENCY_LOCK_TIMEOUT": "29.9"},
        "IDEMPOTENCY_LOCK_TIMEOUT must be at least 30 s with Stripe",
    ),
]
KEPT: list[dict[str, str]] = [
    {"DB_HOST": ""},
    {"IDEMPOTENCY_KEY_TTL": "4.1"},
    {"IDEMPOTENCY_KEY_TTL": "121", "RATE_LIMIT": "3/minute"},
    {"IDEMPOTENCY_KEY_TTL": "5", "RATE_LIMIT": ""},
    {"STRIPE_API_KEY": "sk_live_x", "IDEMPOTENCY_LOCK_TIMEOUT": "30"},
    {"STRIPE_API_KEY": "rk_live_x", "STRIPE_ACCOUNT": "acct_1AbC"},
    {"STRIPE_API_KEY": "sk_test_x", "STRIPE_API_BASE": "http://127.0.0.1:8420", "IDEMPOTENCY_LOCK_TIMEOUT": "16"},
]


@pytest.mark.parametrize(("together", "message"), BROKEN_FOR_THE_GATEWAY)
def test_settings_that_break_a_promise_of_the_gateways_are_refused(together: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.read(together)
    assert str(refused.value) == message


@pytest.mark.parametrize("together", KEPT)
def test_settings_that_just_keep_it_are_taken(together: dict[str, str]) -> None:
    assert Settings.read(together)


def test_webhook_secrets_are_several_while_they_are_rotated_and_never_shown() -> None:
    settings = Settings.read(
        {"STRIPE_API_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_n3wn3wn3w, whsec_0ld0ld0ld"}
    )
    assert settings.stripe_webhook_secret == ("whsec_n3wn3wn3w", "whsec_0ld0ld0ld")
    assert not any(secret in repr(settings) for secret in ("n3w", "0ld"))
    with pytest.raises(SettingError) as refused:
        Settings.read({"STRIPE_API_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_n3wn3wn3w,0ld0ld0ld"})
    assert not any(secret in str(refused.value) for secret in ("n3w", "0ld"))


@pytest.mark.parametrize("wrong", ["pk_live_51secret", "sk_live_51 secret"])
def test_a_key_that_is_refused_is_not_shown(wrong: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.read({"STRIPE_API_KEY": wrong})
    assert "51" not in str(refused.value)


@pytest.mark.parametrize(
    ("together", "said"),
    [
        (
            {"TRIP_SERVICE_TIMEOUT": "15", "GATEWAY_TIMEOUT": "20"},
            "TRIP_SERVICE_TIMEOUT, GATEWAY_TIMEOUT, DB_CONNECT_TIMEOUT and DB_STATEMENT_TIMEOUT together must",
        ),
        ({"DB_STATEMENT_TIMEOUT": "18"}, "together must be less than the 35 s"),
        ({"IDEMPOTENCY_KEY_TTL": "4"}, "IDEMPOTENCY_KEY_TTL must exceed twice the 2 s"),
        ({"IDEMPOTENCY_KEY_TTL": "120", "RATE_LIMIT": "3/minute"}, "IDEMPOTENCY_KEY_TTL must exceed twice the 60 s"),
        ({"IDEMPOTENCY_KEY_TTL": "7200", "RATE_LIMIT": "9/hour"}, "IDEMPOTENCY_KEY_TTL must exceed twice the 3600 s"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_12345678"}, "STRIPE_WEBHOOK_SECRET needs STRIPE_API_KEY"),
        ({"STRIPE_API_BASE": "https://api.stripe.com/v1/"}, "STRIPE_API_BASE must not end in /v1"),
        ({"NEXT_ACTION_TIMEOUT": "82800"}, "NEXT_ACTION_TIMEOUT must be less than GATEWAY_KEY_RETENTION"),
    ],
)
def test_settings_that_together_break_a_promise_are_refused_in_one_line(together: dict[str, str], said: str) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        Settings.read(together)
    assert "\n" not in str(refused.value)


def test_the_front_door_waits_as_long_as_the_settings_count_on() -> None:
    routes = (CHECKOUT / "knative/base/front-door/routes.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"timeout: ([0-9]+)s", routes)) == {f"{FRONT_DOOR:g}"}


@pytest.mark.parametrize(
    ("currency", "text", "rounding"),
    [
        ("INR", "", "0.01"),
        ("JPY", "", "1"),
        ("KWD", "", "0.01"),
        ("INR", "1", "1"),
        ("INR", "0.05", "0.05"),
        ("JPY", "10", "10"),
        ("VND", "1000", "1000"),
        ("IDR", "100000", "100000"),
    ],
)
def test_fares_are_rounded_to_the_currencys_smallest_unit_unless_the_setting_says_more(
    currency: str, text: str, rounding: str
) -> None:
    assert Settings.read({"CURRENCY": currency, "FARE_ROUNDING": text}).fare_rounding == Decimal(rounding)


@pytest.mark.parametrize("rate", ["0", "0.2", "0.175", "0.123456", "1", "1.000000"])
def test_a_commission_is_an_exact_share(rate: str) -> None:
    assert str(Settings.read({"COMMISSION_RATE": rate}).commission_rate) == rate


@pytest.mark.parametrize(
    ("currency", "rounding", "unit"), [("JPY", "0.01", "1"), ("JPY", "1.5", "1"), ("INR", "0.125", "0.01")]
)
def test_a_rounding_that_the_currency_cannot_express_is_refused_in_one_line_that_names_both_settings(
    currency: str, rounding: str, unit: str
) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.read({"CURRENCY": currency, "FARE_ROUNDING": rounding})
    expected = f"FARE_ROUNDING must be a multiple of {unit}, the smallest unit of CURRENCY ({currency})"
    assert str(refused.value) == expected


def test_the_gateways_key_travels_encrypted() -> None:
    with pytest.raises(SettingError, match="STRIPE_API_BASE must begin https://"):
        Settings.read({"STRIPE_API_BASE": "http://api.example.com"})
    assert Settings.read({"STRIPE_API_BASE": "http://127.0.0.1:8420"}).stripe_api_base


def test_no_secret_shows_in_the_settings_text() -> None:
    settings = Settings.read({"DB_PASS": "s3cr3t-word", "STRIPE_API_KEY": "sk_live_x"})
    assert "s3cr3t-word" not in repr(settings) + str(settings)
    assert "sk_live_x" not in repr(settings) + str(settings)


def ended(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """How a Python program ended that was started in this environment: its exit status, and what it said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin"} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("function", ["create_payment", "health"])
def test_a_wrong_value_stops_the_start_with_one_clear_line(function: str) -> None:
    source = f"functions/{function}/main.py"
    arguments = ("-m", "functions_framework", "--source", source, "--target", function)
    line = "payment-service cannot start: DB_PORT must be a port number, 1 to 65535\n"
    assert ended(*arguments, DB_PORT="mistake", PORT="1") == (1, "", line)


PROGRAMS = ("local.run", "sql.migrate", "seed.load", "local.timer", "local.trip_service", "local.notification_service")


@pytest.mark.parametrize("program", [*([name] for name in PROGRAMS), ["local.database", "sql.migrate"]], ids="-".join)
def test_so_it_stops_every_other_program_before_it_does_anything(program: list[str]) -> None:
    line = "payment-service cannot start: RATE_LIMIT must be a rate such as 1000/second, or empty for none\n"
    status = 2 if program[0] == "local.database" else 1  # 1 is what the command that it runs ends with
    assert ended("-m", *program, RATE_LIMIT="x", PORT="1", SERVICE_PORT="1") == (status, "", line)


def test_a_gateway_without_its_key_stops_the_start_with_one_clear_line() -> None:
    program = (
        "from shared.gateways.registry import Gateways\n"
        "from shared.platform.settings import read_settings\n"
        "Gateways.of(read_settings())"
    )
    line = "payment-service cannot start: STRIPE_API_KEY is required with GATEWAY=stripe\n"
    assert ended("-c", program, GATEWAY="stripe") == (1, "", line)


def test_a_seller_has_lines_and_taxes_have_rates() -> None:
    settings = Settings.read(
        {
            "RECEIPT_SELLER": "Rides Ltd\\n12 MG Road\nGSTIN 29ABCDE1234F1Z5",
            "RECEIPT_TAX_LINES": '[{"name": "CGST", "rate": "2.5"}, {"name": "SGST", "rate": 2.5}]',
            "LOCALE": "hi-IN",
            "TIME_ZONE": "Asia/Kolkata",
        }
    )
    assert settings.receipt_seller == ("Rides Ltd", "12 MG Road", "GSTIN 29ABCDE1234F1Z5")
    assert settings.receipt_tax_lines == (("CGST", Decimal("2.5")), ("SGST", Decimal("2.5")))
    assert (settings.locale, settings.time_zone) == ("hi_IN", "Asia/Kolkata")


def test_neither_babel_nor_time_zones_are_imported_for_the_settings() -> None:
    look = "import sys; from shared.platform.settings import read_settings; read_settings(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=CHECKOUT, env={}, capture_output=True, text=True, check=True
    )
    assert not {"babel", "zoneinfo"} & set(done.stdout.split())


def test_a_cell_has_the_name_that_the_list_of_all_has() -> None:
    settings = Settings.read({"CELL": "2", "CELLS": "mumbai=1, delhi=2@front-door.delhi:8082"})
    assert (settings.cell_name, settings.cell_label) == ("delhi", "delhi")
    assert settings.cells == (("mumbai", 1, ""), ("delhi", 2, "front-door.delhi:8082"))
    assert (Settings.read({"CELL": "3"}).cell_label, Settings.read({}).cell_label) == ("3", "")
    assert settings.cell_names == ("2", "delhi")
    assert (Settings.read({"CELL": "3"}).cell_names, Settings.read({}).cell_names) == (("3",), ("0",))


@pytest.mark.parametrize("cell", [{"CELL": "1", "CELL_NAME": "delhi"}, {"CELL": "2", "CELL_NAME": "mumbai"}])
def test_a_cell_that_the_list_of_all_has_otherwise_does_not_start(cell: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=r"^CELLS must have this cell as CELL and CELL_NAME have it"):
        Settings.read(cell | {"CELLS": "mumbai=1,delhi=2"})
