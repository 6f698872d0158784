"""What a part of a configuration needs from a machine, and checks of whether it is there.

Each backend lists its requirements; `motionsight doctor` checks them and prints the findings.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import reason

PROBE_S = 60.0  # time limit for another Python to start and look for a package
# Run by the Python of another environment; prints JSON.
PROBE = """
import importlib.metadata, importlib.util, json, sys
def version(name):
    try: return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError: return None
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "ray": version("ray"),
    "there": [name for name in sys.argv[1:] if importlib.util.find_spec(name)]}))
"""
MADE_BY_RAY = frozenset({"pip", "uv", "conda", "image_uri", "container"})  # keys of a runtime_env


@dataclass(frozen=True)
class Finding:
    """The result of checking one requirement.

    Attributes:
        part: The section of the configuration, such as "detector".
        what: What is required.
        found: What was found instead, such as a version or "not installed".
        remedy: How to get it; "" if it is there.
        sure: Whether nothing works without it; False if it may still come, as by a download.
    """

    part: str
    what: str
    found: str
    remedy: str = ""
    sure: bool = True

    @property
    def ok(self) -> bool:
        """Whether the requirement is met."""
        return not self.remedy


@dataclass(frozen=True)
class Context:
    """Where to check a requirement.

    Attributes:
        part: The section of the configuration, such as "detector".
        weights: The folder to which remedies download weights, such as one on a disk that all nodes share.
        runtime_env: Ray's runtime environment for the model's actors; empty if it has none.
    """

    part: str
    weights: str = "weights"
    runtime_env: Mapping[str, Any] = field(default_factory=dict)


class Requirement(Protocol):
    """Something that a backend needs. One with an attribute `slow` is not checked before each run."""

    def examine(self, context: Context) -> Iterator[Finding]:
        """Check for it, and yield what was found."""
        ...


@dataclass(frozen=True)
class Package:
    """A Python package, in the environment that the model runs in.

    Attributes:
        module: Its import name.
        install: The command that installs it.
    """

    module: str
    install: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Check this environment, or the one whose Python the actors will run in."""
        python = context.runtime_env.get("py_executable")
        if python:
            yield self._elsewhere(context.part, python)
        elif context.runtime_env.keys() & MADE_BY_RAY:
            yield Finding(context.part, f"package {self.module}", "installed by Ray when the actors start")
        else:
            there = find_spec(self.module) is not None
            found = "installed" if there else "not installed"
            yield Finding(context.part, f"package {self.module}", found, "" if there else self.install)

    def _elsewhere(self, part: str, python: str) -> Finding:
        """Check another Python. Ray requires the same Ray and the same minor version of Python there."""
        what, place = f"package {self.module} in {python}", Path(python).parent
        setup = (
            f"create it on every node, with this Python ({_python()}) and Ray ({_ray()}):\n"
            f"python -m venv {place.parent}\n{place}/pip install 'ray=={_ray()}' pydantic\n"
            f"{place}/{self.install}"
        )
        command = [python, "-c", PROBE, self.module]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, check=True)
            reply = json.loads(run.stdout)
        except OSError as error:
            return Finding(part, what, reason(error), setup)
        except (subprocess.SubprocessError, ValueError):
            return Finding(part, what, "this Python does not start", setup)
        found = f"Python {reply['python']}, Ray {reply['ray']}"
        if self.module not in reply["there"]:
            return Finding(part, what, found, f"{place}/{self.install}")
        same = reply["ray"] == _ray() and reply["python"].split(".")[:2] == _python().split(".")[:2]
        return Finding(part, what, found, "" if same else setup)


@dataclass(frozen=True)
class LocalFile:
    """A file or folder that a setting names.

    Attributes:
        setting: The name of the setting inside its section, such as "checkpoint".
        path: Its value.
    """

    setting: str
    path: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Check that it exists."""
        there, name = Path(self.path).expanduser().exists(), f"{context.part}.{self.setting}"
        found = "exists" if there else "does not exist"
        yield Finding(context.part, f"{name} {self.path}", found, "" if there else f"--set {name}=PATH")


@dataclass(frozen=True)
class Program:
    """A program on the search path.

    Attributes:
        name: Its command.
        why: What it is needed for.
    """

    name: str
    why: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look it up on the search path."""
        found = shutil.which(self.name)
        remedy = "" if found else f"install {self.name}: {self.why}"
        yield Finding(context.part, f"program {self.name}", found or "not found", remedy)


def _python() -> str:
    return sys.version.split()[0]


def _ray() -> str:
    import ray

    return ray.__version__


def gpus_here() -> int:
    """Return how many GPUs Ray finds on this machine."""
    from ray._private.accelerators import get_accelerator_manager_for_resource

    manager: Any = get_accelerator_manager_for_resource("GPU")
    visible = manager.get_current_process_visible_accelerator_ids()
    there = manager.get_current_node_num_accelerators()
    return there if visible is None else min(there, len(visible))
