"""Whether anything is known against what is pinned: `make audit`.

pip-audit finds nothing where its database does not know, or does not answer, and calls that a success. Here it is none.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

CLEAN, FOUND, NOT_AUDITED = 0, 1, 2


class NotAudited(Exception):
    """Not every version was looked up; says why."""


def main(program: str, files: Sequence[str]) -> int:
    """Asks about every version in the files, and says what is known. `program`: pip-audit. Returns NOT_AUDITED, after one line
    that says why, unless every single version was looked up."""
    versions: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for file in files:
        try:
            listed = _asked_about(program, file)
        except NotAudited as why:
            print(f"Not audited: {why}", file=sys.stderr)
            return NOT_AUDITED
        versions |= {(version["name"], version["version"]): version["vulns"] for version in listed}
    known = [(name, version, flaw) for (name, version), flaws in versions.items() for flaw in flaws]
    for name, version, flaw in known:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{name} {version}: {' '.join([flaw['id'], *flaw['aliases']])}, mended in {mended}")
    print(f"{len(versions)} versions looked up, {len(known)} known vulnerabilities")
    return FOUND if known else CLEAN


def _asked_about(program: str, file: str) -> list[dict[str, Any]]:
    """What the database says of each version in a file. Raises NotAudited."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([program, *options, "--requirement", file], capture_output=True, text=True)  # noqa: S603 - what make audit names
    try:
        versions: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise NotAudited(f"pip-audit could not ask about {file}: {why}") from None
    if unknown := [version["name"] for version in versions if "skip_reason" in version]:
        raise NotAudited(
            f"no advisory database answers for {len(unknown)} of the {len(versions)} packages in {file}, as {unknown[0]}"
        )
    if not versions:
        raise NotAudited(f"nothing is pinned in {file}")
    return versions


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
