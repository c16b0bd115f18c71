"""How a place that is not on this machine is opened: the one file that knows fsspec's file systems, their extras and their errors.

Credentials come from where the provider's own tools look for them (environment, profiles, instance roles). None is read, kept or
shown here.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.request import getproxies

from pipeline.errors import DataLayoutError, MissingExtraError
from pipeline.images.remote.addresses import PROTOCOLS, check_url, is_web, protocol_of, shown, without_secrets
from pipeline.images.remote.providers import google_class, google_options, is_anonymous, tame
from pipeline.images.remote.signing import Signers

_MODULES = {"s3": "s3fs", "gcs": "gcsfs", "azure": "adlfs"}
_CONNECTIONS = 64
_CONNECT_SECONDS, _STALL_SECONDS = 10, 30
_CREDENTIALS = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_PROFILE, or run `aws sso login`; of another "
    "provider than Amazon also AWS_ENDPOINT_URL.",
    "gcs": "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS.",
    "azure": "Set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and one of AZURE_STORAGE_ACCOUNT_KEY and "
    "AZURE_STORAGE_SAS_TOKEN, or run `az login`; for a public container AZURE_STORAGE_ANON=true.",
    "": "If the URL is signed, get a new one: it may have expired.",
}

_NO_RIGHTS = re.compile("Credential|Auth|Profile|Token")
"""In the names of errors of the libraries."""

MISSING, DENIED, SERVER, OTHER = "missing", "denied", "server", "other"
"""Kinds of failures: the object does not exist; it is not given to this user; the server fails or is not reached; anything else."""


@dataclass(frozen=True)
class FileSystem:
    """A file system of fsspec, and how messages name it."""

    fs: Any
    """An `fsspec.asyn.AsyncFileSystem`."""

    protocol: str
    web: Any = None
    """For what is asked by a URL of HTTP: fsspec's file system of the web; None where nothing is."""

    is_anonymous: bool = False
    """No credentials were found, so that only public objects can be read."""

    signers: Signers = field(default_factory=Signers)
    """What signs URLs of its buckets, where it is one of S3."""

    def path_of(self, url: str) -> str:
        """What the file system calls the object of a URL."""
        return str(self.fs._strip_protocol(url))  # noqa: SLF001 the only way to it without fsspec's chains (`::`)

    @property
    def cure(self) -> str:
        """Where its credentials come from: a sentence."""
        return _CREDENTIALS[PROTOCOLS[self.protocol]]


def open_filesystem(url: str) -> FileSystem:
    """The file system of a URL. No object is asked for yet.

    Raises:
        DataLayoutError: The protocol is not read, or credentials are needed to open it.
        MissingExtraError: It needs an extra that is not installed.
    """
    protocol = protocol_of(check_url(url))
    _check_extra(protocol, url)
    import fsspec

    made = fsspec.get_filesystem_class(protocol)
    made = google_class(made) if PROTOCOLS[protocol] == "gcs" else made
    # An instance of its own: fsspec would keep one for ever, with the credentials of its first use.
    try:
        options = {**made._get_kwargs_from_urls(url), **_options(protocol)}  # noqa: SLF001 the account in an address of Azure
        fs = made(skip_instance_cache=True, **options)
    except Exception as error:  # a library of any of the providers
        raise DataLayoutError(
            f"{shown(url)} cannot be opened: {words_of(error)}. {_CREDENTIALS[PROTOCOLS[protocol]]}"
        ) from error
    if is_web(url):
        return FileSystem(fs, protocol, fs)
    tame(fs, protocol)
    web = fsspec.get_filesystem_class("https")(skip_instance_cache=True, **_options("https"))
    return FileSystem(fs, protocol, web, is_anonymous(fs))


def kind_of(error: BaseException) -> str:
    """`MISSING`, `DENIED`, `SERVER` or `OTHER`, for an error of any of the libraries."""
    if isinstance(known := getattr(error, "kind", None), str):
        return known
    status = status_of(error)
    name = " ".join(kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, FileNotFoundError) or status in (404, 410) or "ResourceNotFound" in name:
        return MISSING
    if isinstance(error, PermissionError) or status in (401, 403) or _NO_RIGHTS.search(name):
        return DENIED
    is_network = isinstance(error, TimeoutError | ConnectionError) or "ClientPayload" in name or "Connection" in name
    is_failing = status is not None and (status >= 500 or status in (408, 425, 429))
    if is_network or is_failing or any(word in name for word in ("HTTPClientError", "ServiceRe", "IncompleteRead")):
        return SERVER
    is_lost = type(error).__module__.startswith("aiohttp") and status is None
    return SERVER if is_lost and "Redirect" not in name and "URL" not in name.upper() else OTHER


def status_of(error: BaseException) -> int | None:
    """The status of HTTP in an error of any of the libraries; None if it has none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    found = (
        getattr(error, "status", None),
        getattr(error, "status_code", None),
        vars(error).get("code") if hasattr(error, "__dict__") else None,  # of aiohttp a property, which warns
        response,
    )
    if isinstance(error.__cause__, Exception) and not any(isinstance(value, int) for value in found):
        return status_of(error.__cause__)
    return next((value for value in found if isinstance(value, int) and 100 <= value < 600), None)


def words_of(error: BaseException) -> str:
    """What happened, in a few words without secrets: `status 503`, `no answer for 30 s`."""
    status = status_of(error)
    name = type(error).__name__
    if "Redirect" in name:
        return (
            "it is redirected without end"
            if "TooMany" in name
            else f"it is redirected to {without_secrets(str(error))[:200]}"
        )
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    if isinstance(error, FileNotFoundError) and error.errno:
        return "nothing is there"
    text = without_secrets(str(error)).split("\n")[0].strip().rstrip(".")[:200]
    if status is not None and ("url=" in text or not text.strip(f", {status}")):
        return f"status {status}"
    return text or type(error).__name__


def explain(error: BaseException, url: str, system: FileSystem | None = None) -> str:
    """A sentence or two for the user on why a place cannot be read, with the cure.

    Args:
        error: What a library raised.
        url: What was asked for.
        system: Its file system, if it could be opened.
    """
    kind, what = kind_of(error), f"{shown(url)} cannot be read"
    cure = _CREDENTIALS[PROTOCOLS.get(protocol_of(url), "")]
    if kind == MISSING:
        place = "server's address and the path" if is_web(url) else "name of the bucket and the path"
        return f"{what}: it does not exist ({words_of(error)}). Check the {place}."
    if kind == DENIED:
        anonymous = " No credentials were found." if system is not None and system.is_anonymous else ""
        return f"{what}: access is denied ({words_of(error)}).{anonymous} {cure}"
    if kind == SERVER:
        return f"{what}: the server fails or does not answer ({words_of(error)}). Run the command again later."
    return f"{what}: {words_of(error)}."


def _check_extra(protocol: str, url: str) -> None:
    extra = PROTOCOLS[protocol]
    if extra and find_spec(_MODULES[extra]) is None:
        raise MissingExtraError(
            f"{shown(url)} needs the extra `{extra}` ({_MODULES[extra]}): pip install 'bottleneck-pipeline[{extra}]'."
        )


def _options(protocol: str) -> dict[str, Any]:
    """How each kind of file system is made: many connections, short waits, no copies of listings."""
    extra = PROTOCOLS[protocol]
    if extra == "s3":
        config = {
            "max_pool_connections": _CONNECTIONS,
            "parameter_validation": False,
            "retries": {"mode": "standard", "total_max_attempts": 3},
        }
        waits = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _STALL_SECONDS}
        signed = {"signature_version": "s3v4"}  # of URLs that are signed: otherwise the old version in some regions
        return {
            "use_listings_cache": False,
            "config_kwargs": config | waits | signed,
            "session": _aws_session(),
            "anon": not _has_aws_credentials(),
        }
    if extra == "azure":
        return {"use_listings_cache": False}
    if extra == "gcs":
        return google_options()
    return {"client_kwargs": _web_client(), "use_listings_cache": False, "encoded": True}


def _web_client() -> dict[str, Any]:
    import aiohttp

    return {
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_STALL_SECONDS),
        "headers": {"Accept-Encoding": "identity"},  # bytes as they are stored: they are what is hashed
        "trust_env": bool(getproxies()),  # each request looks for a proxy then, which takes as long as the rest of it
    }


def _aws_session() -> Any:
    """A session of its own, which reads the times of long listings quickly, and not anew what the library knows of S3."""
    from aiobotocore.session import AioSession

    session = AioSession()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Any:
    from botocore.loaders import create_loader

    return create_loader(data_path)


def _moment(text: Any) -> datetime:
    """A time in an answer, as botocore reads it; the form that listings have takes it 30 times as long as Python."""
    from botocore.utils import parse_timestamp

    with suppress(ValueError, TypeError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment
    found: datetime = parse_timestamp(text)
    return found


def _has_aws_credentials() -> bool:
    """Whether botocore finds credentials; without any, public buckets can still be read."""
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        return Session().get_credentials() is not None
    except BotoCoreError:  # a profile that does not exist, for example: the first request says so
        return True
