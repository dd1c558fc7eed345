"""Stands in for curl where a machine has none: of curl's options it knows those that the README and the scripts use, and
refuses any other. It obeys no proxy."""

import argparse
import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

# curl's own exit codes.
CANNOT_CONNECT, TIMED_OUT, NO_ANSWER = 7, 28, 52


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("-D", "--dump-header", type=Path)
    parser.add_argument("-w", "--write-out", default="")
    parser.add_argument("-m", "--max-time", type=float, default=300.0)
    parser.add_argument("-s", "--silent", action="store_true")
    parser.add_argument("-S", "--show-error", action="store_true")
    parser.add_argument("--noproxy")
    return parser.parse_args()


def from_file(path: str) -> list[str]:
    return Path(path).read_text(encoding="latin-1").splitlines()


def ask(wanted: argparse.Namespace) -> http.client.HTTPResponse:
    url = urlsplit(wanted.url if "://" in wanted.url else f"http://{wanted.url}")
    headers = {"Accept": "*/*", "User-Agent": "curl-stand-in"}
    if wanted.data is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    lines = [line for each in wanted.header for line in (from_file(each[1:]) if each.startswith("@") else [each])]
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().title()] = value.strip()
    method = wanted.request or ("GET" if wanted.data is None else "POST")
    data = None if wanted.data is None else wanted.data.encode()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=wanted.max_time)
    connection.request(method, path, data, headers)
    return connection.getresponse()


def main() -> int:
    wanted, began = options(), time.monotonic()
    try:
        answer = ask(wanted)
        body = answer.read()
    except TimeoutError:
        return trouble(wanted, TIMED_OUT, "Operation timed out")
    except ConnectionRefusedError:
        return trouble(wanted, CANNOT_CONNECT, "Failed to connect")
    except (OSError, http.client.HTTPException) as reason:
        return trouble(wanted, NO_ANSWER, str(reason))
    if wanted.dump_header:
        lines = [
            f"HTTP/1.1 {answer.status} {answer.reason}",
            *(f"{name}: {value}" for name, value in answer.getheaders()),
        ]
        wanted.dump_header.write_bytes("\r\n".join([*lines, "", ""]).encode("latin-1"))
    if wanted.output:
        wanted.output.write_bytes(body)
    else:
        sys.stdout.buffer.write(body)
        sys.stdout.flush()
    print(
        wanted.write_out.replace("%{http_code}", f"{answer.status:03d}").replace(
            "%{time_total}", f"{time.monotonic() - began:.6f}"
        ),
        end="",
    )
    return 0


def trouble(wanted: argparse.Namespace, code: int, text: str) -> int:
    if wanted.show_error or not wanted.silent:
        print(f"curl: ({code}) {text}: {wanted.url}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
