"""Opening places that are not on this machine."""

import importlib.util

import pytest

from pipeline.errors import DataLayoutError, MissingExtraError
from pipeline.images.remote import filesystems
from pipeline.images.remote.filesystems import explain, kind_of, open_filesystem


@pytest.mark.parametrize(
    ("url", "extra", "package"),
    [("s3://b/x", "s3", "s3fs"), ("gs://b/x", "gcs", "gcsfs"), ("az://c/x", "azure", "adlfs")],
)
def test_missing_extra_is_named(url, extra, package, monkeypatch):
    """Each protocol says which extra to install."""
    monkeypatch.setattr(filesystems, "find_spec", lambda name: None if name == package else 1)

    with pytest.raises(
        MissingExtraError, match=rf"needs the extra `{extra}` \({package}\): pip install '.*\[{extra}\]'"
    ):
        open_filesystem(url)


@pytest.mark.parametrize(
    ("url", "package", "kind"),
    [
        pytest.param("gs://b/x", "gcsfs", "Google", marks=pytest.mark.slow),  # it looks for credentials
        ("az://c/x", "adlfs", "AzureBlobFileSystem"),
    ],
)
def test_protocols_lead_to_their_file_systems(url, package, kind, monkeypatch):
    """The libraries of Google and Azure accept how their file systems are made; no object is asked for."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # nobody looks for a machine of Google, for seconds
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    system = open_filesystem(url)

    assert type(system.fs).__name__ == kind
    assert system.path_of(url) == url.partition("://")[2]


def test_azure_without_an_account_names_the_cure(monkeypatch):
    """What the library needs to begin with is said before anything is sent."""
    if importlib.util.find_spec("adlfs") is None:
        pytest.skip("adlfs is not installed")
    for name in ("ACCOUNT_NAME", "ACCOUNT_KEY", "CONNECTION_STRING"):
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)

    with pytest.raises(DataLayoutError, match="Set AZURE_STORAGE_CONNECTION_STRING"):
        open_filesystem("az://box/x")


class _FailedError(Exception):
    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(text)
        self.status = status


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (_FailedError(404), "missing", "does not exist (status 404). Check"),
        (_FailedError(403), "denied", "access is denied (status 403). Set AWS_ACCESS_KEY_ID"),
        (_FailedError(503), "server", "the server fails or does not answer (status 503). Run the command again"),
        (_FailedError(416, "no range"), "other", "cannot be read: no range."),
        (PermissionError("The token has expired."), "denied", "The token has expired"),
        (TimeoutError("0 bytes came in 60 s"), "server", "0 bytes came in 60 s"),
        (ConnectionResetError("reset"), "server", "reset"),
    ],
)
def test_errors_are_explained(error, kind, words):
    """Whatever a library raises: what was asked for, what happened, and the cure; secrets in it are left out."""
    text = explain(error, "s3://user:password@bucket/x")

    assert kind_of(error) == kind
    assert text.startswith("s3://bucket/x cannot be read")
    assert words in text


def test_secrets_in_errors_are_left_out():
    """The URL in a library's own message is shown without its signature."""
    error = _FailedError(418, "418, message='teapot', https://host/1.jpg?X-Amz-Signature=5e5e5e")

    assert "5e5e" not in explain(error, "https://host/1.jpg?X-Amz-Signature=5e5e5e")


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T03:04:05+02:00",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "1767323045",
        1767323045,
    ],
)
def test_times_are_those_of_the_library(text):
    """A form that Python does not read, or not in this way, is left to botocore."""
    utils = pytest.importorskip("botocore.utils")

    assert filesystems._moment(text) == utils.parse_timestamp(text)


def test_times_without_a_form_are_refused():
    """As by botocore."""
    pytest.importorskip("botocore")
    with pytest.raises(ValueError, match="Invalid timestamp"):
        filesystems._moment("soon")
