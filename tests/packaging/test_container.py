"""The Dockerfile, without an engine: what it copies, what it installs, and who runs it. `make container` builds it."""

import json
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from tests.packaging.conftest import PROJECT
from tests.packaging.dockerfile import Step, files_copied, files_sent, steps_of

STEPS = steps_of((PROJECT / "Dockerfile").read_text(encoding="utf-8"))


def texts(name):
    return [step.text for step in STEPS if step.name == name]


def test_linter_finds_nothing():
    """hadolint has no objection, not even a hint."""
    linter = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([linter, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60)

    assert (found.returncode, found.stdout) == (0, "")


def test_context_is_what_is_copied():
    """All that is copied exists and is sent to the engine; nothing else is."""
    copied = files_copied(STEPS)

    assert copied == files_sent((PROJECT / ".dockerignore").read_text(encoding="utf-8"))
    assert [name for name in copied if not (PROJECT / name).exists()] == []


def test_user_is_not_root():
    """The last user is a number, so that an orchestrator sees that it is not root's."""
    assert texts("USER") == ["1000"]
    assert [step.name for step in STEPS][-2:] == ["ENTRYPOINT", "CMD"]


def test_no_volume_is_inside_of_one_that_people_mount():
    """An engine makes a new volume for each that the image names; inside of a mounted one it would hide what was kept there."""
    declared = [PurePosixPath(path) for text in texts("VOLUME") for path in json.loads(text)]
    page = (PROJECT / "docs" / "deploy.md").read_text(encoding="utf-8")
    mounted = {PurePosixPath(path) for path in re.findall(r"--volume \S+?:(/[a-z_/]+)", page)}

    assert declared == [PurePosixPath("/workspace")]
    assert {"/data", "/workspace"} <= set(map(str, mounted))
    assert [path for path in declared if mounted & set(path.parents)] == []


def test_packages_are_those_of_the_lock():
    """Every installation from an index is bound to a lock, but that of pip itself, whose version is given."""
    installs = [part.strip() for text in texts("RUN") for part in text.split("&&") if "pip install" in part]

    assert len(installs) == 3
    assert 'pip install "pip==${PIP}"' in installs
    assert all("constraint requirements.lock" in text for text in installs if "pip==" not in text)
    assert "--require-hashes" in "".join(installs)


@pytest.mark.parametrize("name", ["openvino", "onnx", "onnxruntime", "tf2onnx"])
def test_extra_packages_are_locked(name):
    """What the build argument names by default is in the lock."""
    assert f"\n{name}==" in (PROJECT / "requirements.lock").read_text()
    assert name in next(text for text in texts("ARG") if text.startswith("EXTRAS"))


def test_locks_agree():
    """The lock for GPUs pins what both have at the same versions."""
    both = [
        {line.split("==")[0]: line.split()[0] for line in (PROJECT / name).read_text().splitlines() if "==" in line}
        for name in ("requirements.lock", "requirements-gpu.lock")
    ]

    assert {name: both[1][name] for name in both[0].keys() & both[1].keys()} == {
        name: both[0][name] for name in both[0].keys() & both[1].keys()
    }
    assert any(name.startswith("nvidia-cudnn") for name in both[1])


def test_steps_are_read_as_an_engine_reads_them():
    """Comments go, lines that end with a backslash go on."""
    text = "# a comment\nFROM x AS build\nRUN one \\\n    && two\nCOPY a b /c/\nCOPY --from=build /d /d\n"

    assert steps_of(text) == [
        *(Step("FROM", "x AS build"), Step("RUN", "one  && two")),
        *(Step("COPY", "a b /c/"), Step("COPY", "--from=build /d /d")),
    ]
    assert files_copied(steps_of(text)) == {"a", "b"}
