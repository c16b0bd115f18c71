"""URLs as texts: which ones are read, how they are joined, and how they are shown without the secrets in them.

A URL can carry credentials: a user and a password, or the signature of a query (`?X-Amz-Signature=...`). What is printed, logged or
stored is `shown(url)`, or a text that went through `without_secrets`; the URL itself stays in memory.
"""

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pipeline.errors import DataLayoutError

PROTOCOLS: Mapping[str, str] = {
    "http": "",
    "https": "",
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "az": "azure",
    "abfs": "azure",
    "abfss": "azure",
}
"""Protocols that are read, and the extra that each of them needs; empty if it needs none."""

EXPECTED = "s3://BUCKET/..., gs://BUCKET/..., az://CONTAINER/... or https://HOST/..."

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_CHARACTERS = 4096
_SHORT = 12
"""Values of a query with more characters are shown as a few digits of their SHA-256: they may be keys."""

_SECRET = re.compile(
    r"sig|token|secret|key|pass|pwd|auth|cred|session|expires|policy|^(x-amz-|x-goog-|x-ms-)|^(se|sp|sv|sr|st|spr|sip|skoid|sktid|ske|sks|skv)$",
    re.IGNORECASE,
)
"""Names of query parameters that belong to a signature or are one: of Amazon, Google, Azure and CloudFront, and what people call keys."""


def is_url(data: object) -> bool:
    """Whether this is a URL of any protocol, and not a path or the name of a data set."""
    return isinstance(data, str) and _URL.match(data) is not None


def protocol_of(url: str) -> str:
    """The protocol in small letters: `https`."""
    found = _URL.match(url)
    return found[1].lower() if found else ""


def is_web(url: str) -> bool:
    """Whether a URL is one of a web server, which has a query and needs quoting; objects of buckets have plain names."""
    return protocol_of(url) in ("http", "https")


def refusal(url: str) -> str | None:
    """Why a URL is not read, as the reason of a skipped image; None if it is."""
    if _CONTROL.search(url) or len(url) > _MOST_CHARACTERS or "::" in url.partition("?")[0].partition("://")[2]:
        return "not a URL that is read: it has control characters or `::`, or is too long"
    if protocol_of(url) not in PROTOCOLS:
        return f"the protocol {protocol_of(url)[:40]}:// is not read; expected {EXPECTED}"
    if not _host(url):
        return f"a URL without a host or a bucket; expected {EXPECTED}"
    return None


def check_url(url: str) -> str:
    """A URL that is read.

    Raises:
        DataLayoutError: It is not.
    """
    reason = refusal(url)
    if reason:
        raise DataLayoutError(f"{shown(url)[:200]!r}: {reason}.")
    return url


def shown(url: str) -> str:
    """The URL without user, password, fragment and signature, to be printed and stored; two images still have two names.

    >>> shown("https://me:secret@host/1.jpg?w=200&X-Amz-Signature=abc")
    'https://host/1.jpg?w=200'
    """
    head, separator, rest = url.partition("://")
    if not separator:
        return url
    if not is_web(url):  # a name of an object may have any characters; `abfs://container@account` is no user
        place, slash, path = rest.partition("/")
        user, at, host = place.rpartition("@")
        kept = f"{user}{at}{host}" if ":" not in user else host
        return f"{head}://{kept}{slash}{path.partition('?')[0] if _has_secrets(path) else path}"
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path, _, query = rest[len(place) :].partition("#")[0].partition("?")
    kept = "&".join(filter(None, map(_shown_parameter, parse_qsl(query, keep_blank_values=True))))
    return f"{head}://{place.rpartition('@')[2]}{path}" + (f"?{kept}" if kept else "")


def without_secrets(text: str) -> str:
    """A text in which each URL is as `shown` gives it."""
    return _IN_TEXT.sub(lambda found: shown(found[0]), text) if "://" in text else text


def name_in(url: str) -> str:
    """The last name in the path: `1 a.jpg` of `https://host/cats/1%20a.jpg?w=200`; empty if there is none."""
    path = _path(url).rstrip("/")
    return unquote(path.rpartition("/")[2]) if is_web(url) else path.rpartition("/")[2]


def is_folder(url: str) -> bool:
    """Whether the path ends as that of a folder on a web server does."""
    return _path(url).endswith("/") or not _path(url)


def folder_of(url: str) -> str:
    """The URL that relative paths in a table begin at: the table's own folder."""
    head, _, rest = url.partition("://")
    place = rest.split("?")[0].split("#")[0] if is_web(url) else rest
    return f"{head}://{place.rpartition('/')[0]}" if "/" in place else url


def join(root: str, path: str, *, may_leave: bool = False) -> str | None:
    """The URL of a relative path; None if it leads out of the root by `..`, or out of the bucket or server.

    Args:
        root: A URL.
        path: A path of a table, with `/`. Characters that mean something in a URL are quoted for web servers.
        may_leave: It may leave the root.
    """
    head, _, rest = root.partition("://")
    place, _, above = rest.partition("/")
    parts = [part for part in above.split("/") if part]
    depth = 0 if may_leave else len(parts)
    for part in path.split("/"):
        if part == "..":
            if len(parts) <= depth:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(_quoted(part) if is_web(root) else part)
    return f"{head}://{place}/{'/'.join(parts)}"


def sendable(url: str) -> str:
    """A URL of the web in which nothing is left to quote; what is quoted stays as it is, since a signature may cover it."""
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]|")


def _quoted(part: str) -> str:
    return quote(part, safe="%" if re.search(r"%[0-9A-Fa-f]{2}", part) else "")


def _shown_parameter(pair: tuple[str, str]) -> str:
    """A parameter of a query as it is shown; empty for one that is part of a signature."""
    name, value = pair
    if _SECRET.search(name):
        return ""
    if len(value) > _SHORT:
        value = f"~{hashlib.sha256(value.encode()).hexdigest()[:8]}"
    return f"{name[:40]}={value}" if value else name[:40]


def _has_secrets(path: str) -> bool:
    """Whether the name of an object ends in a query with a signature: `az://container/1.jpg?sig=...`."""
    query = path.partition("?")[2]
    return any(_SECRET.search(name) for name, _ in parse_qsl(query, keep_blank_values=True))


def _host(url: str) -> str:
    rest = url.partition("://")[2]
    return re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]


def _path(url: str) -> str:
    if is_web(url):
        try:
            return urlsplit(url).path
        except ValueError:  # brackets that are no address
            return ""
    return url.partition("://")[2].partition("/")[2]
