"""oidc-provider: a certified OpenID Connect provider, which a package of npm is."""

from pathlib import Path

from tests.tools import npm
from tests.tools.kept import keep

PACKAGES = Path(__file__).parent / "pinned" / "oidc_provider"


def oidc_provider() -> Path:
    """The folder that has its `node_modules`."""
    return keep("oidc-provider", PACKAGES / "package-lock.json", npm.title_of(PACKAGES), _fetch)


def _fetch(folder: Path) -> None:
    npm.install(PACKAGES, folder)
