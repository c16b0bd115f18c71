"""URLs of the objects of a bucket, signed as its library signs them.

For each URL botocore works out anew where the bucket is and how it is signed, which takes longer than to fetch a small object. All
objects of a bucket have that in common: the library is asked once, and then only its signer. Whether this gives the library's own URL
is tried before, with a name of all sorts of characters; where it does not (other ways of signing), the library signs each URL.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, quote

Sign = Callable[[str], Awaitable[str]]
"""The signed URL of an object, by its name. Without credentials it is not signed."""

ELSEWHERE = (301, 302, 307, 400)
"""Statuses with which S3 says that a bucket is in another region."""

REGION = "x-amz-bucket-region"
"""The header that names it."""

_SECONDS = 3600
_PROBE = "".join(map(chr, range(32, 127))) + "é…😀/1.jpg"
_TRIES = 3
"""Two URLs that are signed in different seconds differ."""


class Signers:
    """What signs URLs of the buckets of one file system of S3."""

    def __init__(self) -> None:
        self._signers: dict[str, Sign] = {}
        self._regions: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def of(self, fs: Any, bucket: str) -> Sign:
        """What signs URLs of a bucket.

        Args:
            fs: The file system of s3fs.
            bucket: Its name.

        Raises:
            Exception: Of the library, which finds no credentials or cannot renew them.
        """
        if bucket not in self._signers:
            async with self._lock:
                if bucket not in self._signers:
                    self._signers[bucket] = await _signer(fs, bucket, self._regions.get(bucket))
        return self._signers[bucket]

    def forget(self, bucket: str, sign: Sign, region: str = "") -> None:
        """Have a bucket looked for again, after a URL was answered with one of `ELSEWHERE`.

        Args:
            bucket: Its name.
            sign: What signed the URL.
            region: Where it is, as the answer says.
        """
        if self._signers.get(bucket) is not sign or (region and region == self._regions.get(bucket)):
            return  # it has been looked for meanwhile, or that did not help
        del self._signers[bucket]
        if re.fullmatch(r"[a-z0-9-]{1,40}", region):
            self._regions[bucket] = region


async def _signer(fs: Any, bucket: str, region: str | None) -> Sign:
    await fs.set_session()
    general = await fs.get_s3(bucket)

    async def ask(key: str, client: Any = general) -> str:
        wanted = {"Bucket": bucket, "Key": key}
        url: str = await client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=_SECONDS)
        return url

    async with _client_in(fs, general, region) as client:
        url, _, query = (await ask(_PROBE, client)).partition("?")
        own = await _own_signer(fs, url.removesuffix(_quoted(_PROBE)), query)
        for _ in range(_TRIES):
            if await own(_PROBE) == await ask(_PROBE, client):
                return own
    return ask


@asynccontextmanager
async def _client_in(fs: Any, client: Any, region: str | None) -> AsyncIterator[Any]:
    """A client like this one in a region: a URL that is signed names the region of the client, wherever the bucket is."""
    if region is None or region == client.meta.region_name:
        yield client
        return
    async with fs.session.create_client("s3", region_name=region, config=client.meta.config) as made:
        yield made


async def _own_signer(fs: Any, start: str, query: str) -> Sign:
    """What signs like a URL of the library.

    Args:
        fs: Whose credentials sign. They are renewed by the library when they are about to expire.
        start: The URL up to the name of the object.
        query: Its signature; empty: it has none.
    """
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    credentials: Any = await fs.session.get_credentials() if query else None
    scope = parse_qs(query).get("X-Amz-Credential", [""])[0].split("/")
    region, service = scope[-3:-1] if len(scope) > 3 else ("", "")
    # The host is signed, too; without this header the signer would take it from each URL, twice.
    host = dict(S3SigV4QueryAuth(None, service, region).headers_to_sign(AWSRequest("GET", start)))

    async def sign(key: str) -> str:
        request = AWSRequest("GET", start + _quoted(key), headers=host)
        if credentials is not None:
            frozen = await credentials.get_frozen_credentials()
            S3SigV4QueryAuth(frozen, service, region, _SECONDS).add_auth(request)
        return str(request.url)

    return sign


def _quoted(key: str) -> str:
    return quote(key, safe="/~")
