"""Whether a form was sent from a page of our own: what moves money takes no orders from other people's pages."""

from urllib.parse import urlsplit

from shared.web.call import Call


def is_from_our_own_page(call: Call, url: str = "") -> bool:
    """Whether the browser says that a page of ours sent it: by Sec-Fetch-Site, or, where it does not send that, by an Origin
    that is `url`, or, where that is empty, of the host that was asked. Whoever says neither is none. Where there is a `url`,
    a page at another address is none of ours: a name that somebody else has lead here is one (DNS rebinding).

    A page elsewhere can set neither header, nor Host or X-Forwarded-Host (https://fetch.spec.whatwg.org/#forbidden-request-header,
    and others only with our consent, which nobody gets).
    """
    site, said = call.headers.get("Sec-Fetch-Site"), call.headers.get("Origin", "")
    if site is not None:
        return bool(site == "same-origin" and (not url or said in ("", url)))
    if url:
        return bool(said == url)
    try:
        origin = urlsplit(said)
    except ValueError:
        return False
    named = ",".join(call.headers.get(name, "") for name in ("Host", "X-Forwarded-Host")).lower()
    hosts = {host.strip() for host in named.split(",")} - {""}
    return origin.scheme in ("http", "https") and origin.netloc.lower() in hosts
