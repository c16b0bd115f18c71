"""URLs of the objects of a bucket, signed as its library signs them.

For each URL botocore works out anew where the bucket is and how it is signed, which takes longer than to fetch a small object. All
objects of a bucket have that in common. So the library signs an example once a minute, and the others are signed as the example is.
Whether that is understood is seen from the example itself; where it is not (other ways of signing), the library signs each URL.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

Sign = Callable[[str], str]
"""The signed URL of an object, by its name. Without credentials it is not signed."""

ELSEWHERE = (301, 302, 307, 400)
"""Statuses with which S3 says that a bucket is in another region."""

REGION = "x-amz-bucket-region"
"""The header that names it."""

_SECONDS = 3600
"""How long a URL is valid."""

_FRESH_SECONDS = 60
"""How long others are signed as an example is; credentials are renewed by the library ten minutes before they expire."""

_NAME = "".join(map(chr, range(32, 127))) + "é…😀/1.jpg"
"""Of the example: all sorts of characters, so that it shows how they are quoted."""


@dataclass(frozen=True)
class Signer:
    """What signs URLs of a bucket for a minute."""

    ask: Callable[[str], Awaitable[str]]
    """By the library."""

    sign: Sign | None
    """As the library; None where that is not known."""

    until: float
    """In the time of the loop."""

    async def url(self, key: str) -> str:
        """The signed URL of an object."""
        return self.sign(key) if self.sign else await self.ask(key)


class Signers:
    """What signs URLs of the buckets of one file system of S3."""

    def __init__(self) -> None:
        self._signers: dict[str, Signer] = {}
        self._regions: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def of(self, fs: Any, bucket: str) -> Signer:
        """What signs URLs of a bucket now.

        Args:
            fs: The file system of s3fs.
            bucket: Its name.

        Raises:
            Exception: Of the library, which finds no credentials or cannot renew them.
        """
        if (signer := self._fresh(bucket)) is None:
            async with self._lock:
                if (signer := self._fresh(bucket)) is None:
                    signer = self._signers[bucket] = await _signer(fs, bucket, self._regions.get(bucket))
        return signer

    def _fresh(self, bucket: str) -> Signer | None:
        signer = self._signers.get(bucket)
        return signer if signer is not None and asyncio.get_running_loop().time() < signer.until else None

    def forget(self, bucket: str, signer: Signer, region: str = "") -> None:
        """Have a bucket looked for again, after a URL was answered with one of `ELSEWHERE`.

        Args:
            bucket: Its name.
            signer: What signed the URL.
            region: Where it is, as the answer says.
        """
        if self._signers.get(bucket) is not signer or (region and region == self._regions.get(bucket)):
            return  # it has been looked for meanwhile, or that did not help
        del self._signers[bucket]
        if re.fullmatch(r"[a-z0-9-]{1,40}", region):
            self._regions[bucket] = region


async def _signer(fs: Any, bucket: str, region: str | None) -> Signer:
    await fs.set_session()
    general = await fs.get_s3(bucket)

    async def ask(key: str, client: Any = general) -> str:
        wanted = {"Bucket": bucket, "Key": key}
        url: str = await client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=_SECONDS)
        return url

    async with _client_in(fs, general, region) as client:
        example = await ask(_NAME, client)
    sign = sign_like(example, await _secret(fs) if "?" in example else "")
    return Signer(ask, sign, asyncio.get_running_loop().time() + _FRESH_SECONDS)


@asynccontextmanager
async def _client_in(fs: Any, client: Any, region: str | None) -> AsyncIterator[Any]:
    """A client like this one in a region: a URL that is signed names the region of the client, wherever the bucket is."""
    if region is None or region == client.meta.region_name:
        yield client
        return
    async with fs.session.create_client("s3", region_name=region, config=client.meta.config) as made:
        yield made


async def _secret(fs: Any) -> str:
    """The secret key with which the library signs."""
    credentials = await fs.session.get_credentials()
    return str((await credentials.get_frozen_credentials()).secret_key) if credentials else ""


def sign_like(example: str, secret: str) -> Sign | None:
    """What signs other names as the URL of `_NAME` is signed; None where that gives another URL for `_NAME`.

    The formula is Amazon's, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)":
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html

    Args:
        example: The URL, signed or not.
        secret: The secret key.
    """
    address, _, query = example.partition("?")
    query = query.partition("&X-Amz-Signature=")[0]
    start = address.removesuffix(_quoted(_NAME))
    sign = _signing(start, query, secret) if query else lambda key: start + _quoted(key)
    return sign if sign(_NAME) == example else None


def _signing(start: str, query: str, secret: str) -> Sign:
    """What signs a name.

    Args:
        start: The URL up to the name.
        query: Its parameters but the signature.
        secret: The secret key.
    """
    place, given = urlsplit(start), dict(parse_qsl(query))
    scope = given.get("X-Amz-Credential", "").partition("/")[2]
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{given.get('X-Amz-Date')}\n{scope}\n"
    rest = f"\n{'&'.join(sorted(query.split('&')))}\nhost:{_host(place)}\n\nhost\nUNSIGNED-PAYLOAD"

    def sign(name: str) -> str:
        quoted = _quoted(name)
        request = hashlib.sha256(f"GET\n{place.path}{quoted}{rest}".encode()).hexdigest()
        signature = hmac.digest(key, f"{to_sign}{request}".encode(), "sha256").hex()
        return f"{start}{quoted}?{query}&X-Amz-Signature={signature}"

    return sign


def _host(place: SplitResult) -> str:
    """The host as it is signed: without the port where it is the usual one."""
    host = f"[{place.hostname}]" if ":" in (place.hostname or "") else place.hostname or ""
    usual = {"http": 80, "https": 443}.get(place.scheme)
    return host if place.port in (None, usual) else f"{host}:{place.port}"


def _quoted(key: str) -> str:
    return quote(key, safe="/~")
