"""Open a session on a data set, serve its page, and save choices as runs."""

import logging
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import MissingExtraError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_two.rows import LabelledRows
from pipeline.training.heads import fit_head
from pipeline.training.rows import read_rows
from pipeline.tuner.choice import Choice
from pipeline.tuner.grids import grids_of
from pipeline.tuner.labels import LabelFile, label_command, label_path
from pipeline.tuner.session import Session

logger = logging.getLogger(__name__)

OnStart = Callable[[str, Session], None]
"""Called with the page's address and the session."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def open_session(
    data: Data | Manifest, manifest: Manifest, settings: Settings, *, labels: Path | None = None
) -> Session:
    """A session with the labels of the label file; rows that are missing are made.

    Args:
        data: The data set, as the user named it.
        manifest: Its images.
        settings: Features, folders and compute.
        labels: The label file; None: beside the folder.

    Raises:
        SettingError: The label file would be in the data folder.
        DataLayoutError: It is no table of these images, or the labels cannot be trained on.
    """
    path = label_path(data, manifest, labels)
    file = LabelFile(path, label_command(path, manifest, settings.features)) if path else None
    labelled = file.read(manifest) if file else manifest
    extraction = read_rows(labelled, "avg", settings).extraction
    rows = extraction.manifest
    tuned = rows.select([row for row, split in enumerate(rows.splits) if split != "test"])

    def load(pooling: str) -> LabelledRows:
        return read_rows(tuned, pooling, settings).labelled

    return Session(rows, load, file, grids=grids_of(extraction, settings))


def save(session: Session, choice: Choice, settings: Settings, saving: Saving) -> Run:
    """Save a choice as a run, as `bottleneck head` does. Only now the test split is scored.

    Raises:
        SettingError: The name is not valid or taken. Or pixels are standardized by the training images, and the choice has only some of them: other rows would be made.
    """
    saving.check(settings.paths.runs)
    selection = session.selection(choice)
    if settings.features.preprocess == "standardize" and len(selection.split("train")) < len(
        session.manifest.split("train")
    ):
        raise SettingError(
            "With --preprocess standardize the features depend on all training images, so a run on some of them would have other "
            "features than the page. Choose all classes and images, or start the tuner with --preprocess native."
        )
    return fit_head(selection, str(choice.spec), settings, saving, pool=choice.pooling, training=choice.training)


def tune_heads(
    data: Data | Manifest,
    open_data: Callable[[], tuple[Manifest, Settings]],
    *,
    labels: Path | None = None,
    host: str = LOOPBACK[0],
    port: int = 8080,
    command: str | None = None,
    on_start: OnStart | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        data: The data set, as the user named it.
        open_data: Returns its images, with features, folders and compute; called after it is known that the page can be served.
        labels: The label file; None: beside the folder.
        host: Address to listen on; any but this machine's own gives a warning.
        port: Port to listen on.
        command: Recorded in the runs that are saved.
        on_start: Called with the page's address and the session.

    Raises:
        MissingExtraError: NiceGUI is not installed.
        SettingError: Something else listens there already.
    """
    if find_spec("nicegui") is None:
        raise MissingExtraError("The tuner's page needs its package: pip install 'bottleneck-pipeline[tune]'.")
    _check_free(host, port)
    if host not in LOOPBACK:
        logger.warning("The page listens on %s: anyone who can reach it can relabel images and save runs.", host)
    manifest, settings = open_data()
    session = open_session(data, manifest, settings, labels=labels)

    def keep(choice: Choice, name: str | None, *, replace: bool) -> str:
        return save(session, choice, settings, Saving(name, replace=replace, command=command)).name

    from pipeline.tuner.page import serve

    title = f"{manifest.title} · {settings.features.base}"
    serve(session, keep, title=title, host=host, port=port, is_local=host in LOOPBACK, on_start=on_start)


def _check_free(host: str, port: int) -> None:
    """Check that a page can be served at this address.

    Raises:
        SettingError: The port is taken, or the address is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise SettingError(
            f"Nothing can listen on port {port} of {host}: {error}. Choose another --port or --host."
        ) from error
