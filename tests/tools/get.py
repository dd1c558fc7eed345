"""Sees that all tools of the tests are there, before the first test: python -m tests.tools.get"""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.tools.chromium import chromium
from tests.tools.curl import curl
from tests.tools.kept import NotToBeHad
from tests.tools.kustomize import kustomize
from tests.tools.oidc_provider import oidc_provider

TOOLS: tuple[Callable[[], str | Path], ...] = (kustomize, chromium, curl, oidc_provider)


def main() -> None:
    for tool in TOOLS:
        try:
            print(f"{tool.__name__}: {tool()}", flush=True)
        except NotToBeHad as trouble:
            sys.exit(f"The tests need {tool.__name__}. {trouble}")


if __name__ == "__main__":
    main()
