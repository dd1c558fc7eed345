"""Every line is one JSON object, whatever is logged, and whoever logs it."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.place import CHECKOUT
from local.ports import pick
from shared.platform import log
from shared.platform.log import Line

TEXT = st.text(st.characters(), max_size=20)  # halves of characters, line breaks and all
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(), inner, max_size=3),
    max_leaves=8,
)


class Sullen:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def no_number(text: str) -> NoReturn:
    raise AssertionError(f"{text} is no JSON")


def read(line: str) -> dict[str, Any]:
    assert len(line.splitlines()) == 1
    assert line.isprintable(), "no control character, not even DEL"
    found = json.loads(line.encode("ascii"), parse_constant=no_number)
    json.dumps(found, ensure_ascii=False).encode()  # of whole characters
    assert {"timestamp", "level", "message", "correlation_id", "function"} <= set(found)
    return dict(found)


def line_of(message: object, *arguments: object, **extra: object) -> dict[str, Any]:
    record = logging.LogRecord("any", logging.INFO, "file", 1, message, arguments, None)
    vars(record).update(extra)
    return read(Line().format(record))


@given(message=TEXT, arguments=st.lists(VALUES, max_size=2), extra=VALUES)
def test_a_line_is_json_whatever_is_in_it(message: str, arguments: list[object], extra: object) -> None:
    assert "detail" in line_of(message, *arguments, detail=extra)


@given(text=TEXT, name=TEXT)
def test_a_failure_is_one_line_whatever_it_says(text: str, name: str) -> None:
    try:
        raise type(name.replace("\0", "") or "E", (Exception,), {})(text)
    except (Exception, ValueError):
        record = logging.LogRecord("any", logging.ERROR, "file", 1, "failed", (), sys.exc_info())
    assert "Traceback" in read(Line().format(record))["exc_info"]


def test_deletes_and_the_like_are_spelt_out() -> None:
    assert line_of("a\x7fb\x9b\u2028\u202e")["message"] == "a\x7fb\x9b\u2028\u202e"


def test_what_json_has_no_words_for_is_text() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert line_of("m", detail=ring)["detail"] == "[[...]]"
    assert line_of("m", detail=float("nan"), other=1)["detail"] == "nan"
    assert line_of("m", detail={("a", 1): "b"})["detail"] == "{('a', 1): 'b'}"
    assert line_of("m", detail=Sullen())["detail"]
    assert line_of("%d of %s", "three")["message"] == "%d of %s ('three',)"
    assert "Sullen" in line_of(Sullen())["message"]


def test_letters_of_any_script_are_kept_and_halves_of_letters_are_not() -> None:
    assert line_of("ü 😀 \\ud800 \n")["message"] == "ü 😀 \\ud800 \n"
    assert line_of("😀 \ud800 \\ud800")["message"] == "😀 ? \\ud800"


WHOEVER = {
    "a library": "import logging; logging.getLogger('urllib3').warning('w\\nw')",
    "a warning": "import warnings; warnings.warn('w')",
    "a thread": "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
    "a finalizer": "type('Gone', (), {'__del__': lambda self: 1 / 0})()",
    "the end": "1 / 0",
    "a wrong call": "from shared.platform.log import log; log.info('%d', 'w')",
}


@pytest.mark.parametrize("program", WHOEVER.values(), ids=WHOEVER.keys())
def test_whoever_writes_writes_json(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import shared.platform.log\n{program}"],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    assert read(line)["level"] in ("INFO", "WARNING", "ERROR", "CRITICAL")


def test_an_output_that_is_full_stops_nobody() -> None:
    program = "from shared.platform.log import log\nlog.error('e')\nimport sys; sys.stderr.write('goes on')"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=CHECKOUT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.stderr.startswith("goes on")
    assert "Logging error" not in done.stderr


def served(**settings: str) -> subprocess.CompletedProcess[str]:
    """What the image's server says before it ends by itself."""
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "functions_framework:create_app()"]
    environment = {"PATH": os.environ["PATH"], "PORT": str(pick(1)[0]), "FUNCTION_SOURCE": "functions/health/main.py"}
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment | settings, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_images_server_says_in_json_that_a_function_cannot_be_loaded() -> None:
    lines = served(FUNCTION_TARGET="nowhere").stderr.splitlines()
    in_json = [read(line) for line in lines if line.startswith("{")]
    assert "nowhere" in in_json[0]["exc_info"]
    # The one line that gunicorn prints past its log.
    assert len(lines) - len(in_json) == 1


def test_a_wrong_setting_ends_the_images_server_with_one_line() -> None:
    ended = served(FUNCTION_TARGET="health", DB_PORT="x")
    assert ended.stderr == "payment-service cannot start: DB_PORT must be a port number, 1 to 65535\n"
    assert ended.returncode == 1


def test_a_server_that_logs_in_its_own_form_has_all_that_it_writes_of_a_line() -> None:
    """Such as gunicorn as `functions-framework` runs it, which names its process in each."""
    record = logging.getLogger("gunicorn.error").makeRecord("gunicorn.error", logging.INFO, __file__, 1, "up", (), None)
    line = logging.Formatter("[%(process)d] [%(threadName)s] %(processName)s %(filename)s %(message)s").format(record)
    assert line == f"[{os.getpid()}] [MainThread] MainProcess {Path(__file__).name} up"


def test_a_line_says_of_which_cell_it_is_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_cell", {})
    assert "cell" not in line_of("x")
    log.set_cell("delhi")
    assert line_of("x")["cell"] == "delhi"
    log.set_cell("")
    assert "cell" not in line_of("x")
