"""The Dockerfile as steps, and a program that performs them without Docker: each stage is a folder with Debian in it, entered by chroot.

    python -m tests.packaging.dockerfile [--mirror URL] [--build-arg NAME=VALUE]

It needs root and debootstrap, and ends with features, a head and predictions, made by the image's own user. What differs from Docker: the base is
Debian's own Python of the same version, and addresses and certificates of this machine's network are copied into each stage.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]
NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/ssl/certs/ca-certificates.crt",
)
HOMES = {"root": "/root", "1000": "/home/bottleneck"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TRIED = (
    ("features", "/data", "--base", "squeezenet", "--size", "48", "--weights", "random"),
    (
        "head",
        "/data",
        "--head",
        "logreg",
        "--name",
        "first",
        "--base",
        "squeezenet",
        "--size",
        "48",
        "--weights",
        "random",
    ),
    ("predict", "first", "/data/red"),
)


@dataclass(frozen=True)
class Step:
    """One instruction."""

    name: str
    """In capitals: `RUN`, `COPY` and so on."""

    text: str


def steps_of(text: str) -> list[Step]:
    """The instructions of a Dockerfile; lines that end with a backslash go on, comments are dropped."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(None, 1)) for line in joined.splitlines()]


def files_copied(steps: list[Step]) -> set[str]:
    """What the steps copy of the project."""
    copies = [shlex.split(step.text) for step in steps if step.name == "COPY"]
    return {name for words in copies if not words[0].startswith("--from") for name in words[:-1]}


def files_sent(ignore: str) -> set[str]:
    """What .dockerignore leaves in, which begins by leaving everything out."""
    return {line[1:] for line in ignore.splitlines() if line.startswith("!")}


@dataclass
class Stage:
    """A root folder, with what earlier instructions have set."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "root"
    command: tuple[str, ...] = ()

    def run(self, text: str, **more: str) -> subprocess.CompletedProcess[bytes]:
        """A line of shell in it, with /proc and /dev/shm of its own."""
        inside = f"cd {shlex.quote(self.folder)} && {text}"
        variables = [
            f"{name}={value}" for name, value in {"HOME": HOMES[self.user], **self.environment, **more}.items()
        ]
        enter = [
            "chroot",
            f"--userspec={self.user}",
            str(self.root),
            "/usr/bin/env",
            "-i",
            *variables,
            "/bin/sh",
            "-c",
            inside,
        ]
        mounts = f"mount -t proc proc {self.root}/proc; mount -t tmpfs shm {self.root}/dev/shm"
        return subprocess.run(["unshare", "--mount", "sh", "-c", f"{mounts}; exec {shlex.join(enter)}"], check=True)


@dataclass
class Performance:
    """All stages of a Dockerfile."""

    base: Path
    """A root folder with Debian and its Python."""

    work: Path
    given: dict[str, str]
    """Build arguments."""

    arguments: dict[str, str] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def now(self) -> Stage:
        """The stage that instructions belong to."""
        return list(self.stages.values())[-1]

    def perform(self, step: Step) -> None:
        """One instruction."""
        print(f"--- {step.name} {step.text}", flush=True)  # noqa: T201
        getattr(self, f"_{step.name.lower()}")(step.text)

    def _known(self) -> dict[str, str]:
        return self.arguments | (self.now.environment if self.stages else {})

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda found: self._known().get(found[1], ""), text)

    def _arg(self, text: str) -> None:
        name, _, value = text.partition("=")
        self.arguments[name] = self.given.get(name, value.strip('"'))

    def _from(self, text: str) -> None:
        image, *rest = self._filled(text).split()
        if not re.fullmatch(r"python:[\d.]+-slim-bookworm", image):
            raise SystemExit(f"Only Debian's bookworm with Python can stand for an image. Received: {image}.")
        root = self.work / f"stage{len(self.stages)}"
        subprocess.run(["cp", "-a", "--reflink=auto", self.base, root], check=True)
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for name in filter(os.path.exists, NETWORK):
            target = root / name[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(name, target)
        pip = {name: value for name, value in os.environ.items() if name in ("PIP_CERT", "PIP_INDEX_URL")}
        self.stages[rest[-1] if rest else ""] = Stage(root, {"PATH": PATH, **pip})

    def _env(self, text: str) -> None:
        self.now.environment |= dict(word.split("=", 1) for word in shlex.split(self._filled(text)))

    def _workdir(self, text: str) -> None:
        self.now.folder = text
        (self.now.root / text[1:]).mkdir(parents=True, exist_ok=True)

    def _copy(self, text: str) -> None:
        first, *words = shlex.split(text)
        source = self.stages[first.partition("=")[2]].root if first.startswith("--from") else PROJECT
        names = words[:-1] if first.startswith("--from") else [first, *words[:-1]]
        for name in names:
            origin = source / name.lstrip("/")
            target = self.now.root / os.path.join(self.now.folder, words[-1]).lstrip("/")  # noqa: PTH118
            if origin.is_dir():
                shutil.copytree(origin, target, symlinks=True)
            else:
                shutil.copy(origin, target)

    def _run(self, text: str) -> None:
        self.now.run(text, **self.arguments)

    def _user(self, text: str) -> None:
        self.now.user = text

    def _volume(self, text: str) -> None:
        missing = [name for name in json.loads(text) if not (self.now.root / name[1:]).is_dir()]
        if missing:
            raise SystemExit(f"A volume that is no folder belongs to root: {missing}.")

    def _entrypoint(self, text: str) -> None:
        self.now.command = tuple(json.loads(text))

    def _cmd(self, text: str) -> None:
        self.now.run(shlex.join([*self.now.command, *json.loads(text)]))


def main() -> None:
    """Perform the steps, then use what was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="a folder with Debian and Python that is there already")
    parser.add_argument("--mirror", nargs="?", default="", help="of Debian's packages [default: debootstrap's own]")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="container-") as folder:
        work = Path(folder)
        base = given.base or make_base(work / "base", given.mirror)
        performance = Performance(base, work, dict(text.split("=", 1) for text in given.build_arg))
        for step in steps_of((PROJECT / "Dockerfile").read_text(encoding="utf-8")):
            performance.perform(step)
        use(performance.now)


def make_base(root: Path, mirror: str) -> Path:
    """Debian with its Python, as little of it as possible."""
    packages = "--include=python3,python3-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", packages, "bookworm", root, *filter(None, [mirror])]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return root


def use(stage: Stage) -> None:
    """Features, a head and predictions; the user is not root, and writes below /workspace and /tmp alone."""
    from tests.conftest import draw_tree

    draw_tree(stage.root / "data", {"": 30})
    before = set(written(stage))
    for words in TRIED:
        stage.run(shlex.join([*stage.command, *words]))
    stage.run("test $(id -u) -eq 1000")
    elsewhere = set(written(stage)) - before
    size = subprocess.run(["du", "-sm", stage.root], check=True, capture_output=True, text=True).stdout.split()[0]
    print(f"{size} MB; written outside /workspace and /tmp: {sorted(elsewhere) or 'nothing'}")  # noqa: T201
    sys.exit(bool(elsewhere))


def written(stage: Stage) -> Iterator[str]:
    """Files of the image's user outside the folders that are meant for them."""
    for path in stage.root.rglob("*"):
        name = path.relative_to(stage.root)
        if name.parts[0] not in ("proc", "work", "tmp") and path.lstat().st_uid == 1000:
            yield str(name)


if __name__ == "__main__":
    main()
