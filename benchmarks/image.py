"""The functions as the image holds them: Python's packages without the tests', and bytecode that is never checked.

Made with the steps of the Dockerfile, without Docker: the virtual environment once, in `.tools`; the application anew at every
run, since it is what is measured.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from local.place import CHECKOUT
from tests.tools.kept import fetch, keep

REQUIREMENTS = CHECKOUT / "requirements" / "run.txt"
PARTS = ("functions", "shared", "sql")
COMPILED = ("-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash")
# What others are measured by, and how it is served: as many threads, and nothing of ours.
HELLO = """import functions_framework


@functions_framework.http
def hello(request):
    return "Hello"
"""
PLAINLY = """import os

bind = f"0.0.0.0:{os.environ['PORT']}"
workers = 1
worker_class = "gthread"
threads = 10
keepalive = 95
worker_tmp_dir = "/dev/shm"
control_socket_disable = True
"""


class Image:
    """`python` is the image's, `app` its /app; `hello` is the folder of a function of one line, the measure of the others."""

    def __init__(self, folder: Path) -> None:
        self.venv = keep("image", REQUIREMENTS, "the image's Python packages", _install)
        self.python = self.venv / "bin" / "python"
        self.app = folder / "app"
        for part in PARTS:
            shutil.copytree(CHECKOUT / part, self.app / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(CHECKOUT / "gunicorn.conf.py", self.app)
        self.hello = folder / "hello"
        self.hello.mkdir()
        (self.hello / "main.py").write_text(HELLO, encoding="utf-8")
        (self.hello / "gunicorn.conf.py").write_text(PLAINLY, encoding="utf-8")
        for path in (self.app, self.hello):
            subprocess.run([self.python, *COMPILED, path], check=True)


def _install(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
    wanted = ["--require-hashes", "--quiet", "--only-binary=:all:", "--no-compile", "--requirement", str(REQUIREMENTS)]
    fetch("the image's Python packages", [*pip, "install", *wanted], folder)
    for path in [path for path in (folder / "lib").rglob("test*") if path.name in ("test", "tests")]:
        shutil.rmtree(path, ignore_errors=True)
    subprocess.run([folder / "bin" / "python", *COMPILED, folder / "lib"], check=True)
