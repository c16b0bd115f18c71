"""URLs of the objects of a bucket, signed as its library signs them.

For each URL botocore works out anew where the bucket is and how it is signed, which takes longer than to fetch a small object. All
objects of a bucket have that in common: the library is asked once, and then only its signer. Whether this gives the library's own URL
is tried before, with a name of all sorts of characters; where it does not (other ways of signing), the library signs each URL.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

if TYPE_CHECKING:
    from pipeline.images.remote.filesystems import FileSystem

Sign = Callable[[str], Awaitable[str]]
"""The signed URL of an object, by its name."""

_SECONDS = 3600
_PROBE = "".join(map(chr, range(32, 127))) + "é…😀/1.jpg"
_TRIES = 3
"""Two URLs that are signed in different seconds differ."""


async def signed_url(system: "FileSystem", bucket: str, key: str) -> str:
    """A URL of an object of S3 that its library signed; without credentials it is not signed.

    Raises:
        Exception: Of the library, which finds no credentials or cannot renew them.
    """
    await system.fs.set_session()
    if bucket not in system.signers:
        system.signers[bucket] = await _signer(system, bucket)
    return await system.signers[bucket](key)


async def _signer(system: "FileSystem", bucket: str) -> Sign:
    client = await system.fs.get_s3(bucket)

    async def ask(key: str) -> str:
        url: str = await client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=_SECONDS
        )
        return url

    url, _, query = (await ask(_PROBE)).partition("?")
    own = await _own_signer(system, url.removesuffix(_quoted(_PROBE)), query)
    for _ in range(_TRIES):
        if await own(_PROBE) == await ask(_PROBE):
            return own
    return ask


async def _own_signer(system: "FileSystem", start: str, query: str) -> Sign:
    """What signs like a URL of the library.

    Args:
        system: Whose credentials sign. They are renewed by the library when they are about to expire.
        start: The URL up to the name of the object.
        query: Its signature; empty: it has none.
    """
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    credentials: Any = await system.fs.session.get_credentials() if query else None
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
