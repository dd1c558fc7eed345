"""The company's OpenID Connect provider, a real one, and a browser's part in signing in there, as plain HTTP."""

import html
import json
import re
import subprocess
from typing import Any, Self
from urllib.parse import urljoin

import requests

from local.ports import pick
from tests.tools import npm
from tests.tools.oidc_provider import PACKAGES, oidc_provider


class Provider:
    """Runs while it is entered, and knows the client `console`, at this address. Access tokens are JSON Web Tokens for the
    API, but opaque for people whose name begins so."""

    secret = "s3cr3t-of-the-client"

    def __init__(self, console: str) -> None:
        self.console = console
        # Another site than what is at 127.0.0.1, as the company's is.
        self.url = f"http://localhost:{pick(1)[0]}"

    def __enter__(self) -> Self:
        client = {
            "client_id": "console",
            "client_secret": self.secret,
            "redirect_uris": [f"{self.console}/console/signed-in"],
        }
        program = [npm.node(), PACKAGES / "serve.mjs", oidc_provider(), self.url, json.dumps([client])]
        self._process = subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line == "ready\n":
                return self
        raise AssertionError("".join(said))

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class Person:
    """A browser that signs in as `name` where it is asked, with the cookies that it has by then."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.session = requests.Session()
        self.session.trust_env = False

    def ask(self, method: str, url: str, **options: Any) -> requests.Response:
        """One request, whatever it is answered."""
        answer = self.session.request(method, url, allow_redirects=False, timeout=30, **options)
        for cookie in self.session.cookies:
            cookie.secure = False  # as a browser has it on its own machine
        return answer

    def get(self, url: str, until: str = "") -> requests.Response:
        """Follows redirects, the provider's forms and pages that load another; stops before an address with `until` in it,
        which is then the answer's `url`."""
        answer = self.ask("GET", url)
        for _ in range(20):
            if going_to := answer.headers.get("Location") or _refreshed(answer):
                going_to = urljoin(answer.url, going_to)
                if until and until in going_to:
                    answer.url = going_to
                    return answer
                answer = self.ask("GET", going_to)
            elif "/interaction/" in answer.url and answer.status_code == 200:
                prompt = re.findall(r'name="prompt" value="(\w+)"', answer.text)[0]
                answer = self.ask("POST", answer.url, data={"prompt": prompt, "login": self.name, "password": "any"})
            else:
                return answer
        raise AssertionError(f"no end of it: {answer.url}")


def _refreshed(answer: requests.Response) -> str | None:
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.text)
    return html.unescape(found[1]) if found else None
