"""Functions as the image serves them, as many instances as asked for, with the processor time that they use."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from benchmarks import processor
from benchmarks.image import Image
from tests.support.functions import Functions

HELLO = "hello"


class InTheImage(Functions):
    """Served by gunicorn with the image's packages, bytecode and configuration. A name may have a number behind it
    (`create_payment.2`), for more instances of one function; `hello` is the function of one line, served plainly."""

    def __init__(self, image: Image, names: Iterable[str], environment: Mapping[str, str]) -> None:
        super().__init__(names, environment)
        self.image = image

    def seconds(self) -> float:
        """Processor seconds of all of them so far."""
        return sum(self.seconds_of(name) for name in self.names)

    def seconds_of(self, name: str) -> float:
        return processor.seconds([psutil.Process(self.process(name).pid)])

    def worker(self, name: str) -> psutil.Process:
        """The process that answers."""
        [worker] = psutil.Process(self.process(name).pid).children()
        return worker

    def _home(self, name: str) -> Path:
        return self.image.hello if name == HELLO else self.image.app

    def _command(self, name: str) -> list[str]:
        return [str(self.image.python), "-m", "gunicorn", "functions_framework:create_app()"]

    def _environment(self, name: str) -> dict[str, str]:
        target = name.partition(".")[0]
        source = self.image.app / "functions" / target if target != HELLO else self.image.hello
        chosen = {"FUNCTION_SOURCE": str(source / "main.py"), "FUNCTION_TARGET": target, "PORT": str(self.ports[name])}
        chosen |= {"PYTHONPATH": str(self.image.app), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return self.environment | chosen
