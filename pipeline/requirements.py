"""What a part of a configuration needs from a machine: each needed thing can say whether it is there.

Backends list theirs; `motionsight doctor` prints what they find.
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

PROBE_S = 60.0  # for another Python to start and look for a package
# Run by the Python of another environment; answers in JSON.
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
    """Whether something that a part of the configuration needs is there.

    Attributes:
        part: The section of the configuration, such as "detector".
        what: The thing needed.
        found: What was found in its place.
        remedy: How to get it; "" when it is there.
    """

    part: str
    what: str
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done."""
        return not self.remedy


@dataclass(frozen=True)
class Context:
    """Where a requirement is looked for.

    Attributes:
        part: The section of the configuration, such as "detector".
        weights: The folder into which remedies fetch weights, such as a disk that every node sees.
        runtime_env: Ray's runtime environment of the model's actors; empty where it has none.
    """

    part: str
    weights: str = "weights"
    runtime_env: Mapping[str, Any] = field(default_factory=dict)


class Requirement(Protocol):
    """Something that a backend needs."""

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look for it, and say what was found."""
        ...


@dataclass(frozen=True)
class Package:
    """A Python package, in the environment in which the model runs.

    Attributes:
        module: The name it is imported by.
        install: The command that installs it.
    """

    module: str
    install: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look in this environment, or ask the Python that the actors are going to run in."""
        python = context.runtime_env.get("py_executable")
        if python:
            yield self._elsewhere(context.part, python)
        elif context.runtime_env.keys() & MADE_BY_RAY:
            yield Finding(context.part, f"package {self.module}", "installed by Ray when the actors start")
        else:
            there = find_spec(self.module) is not None
            found = "here" if there else "not installed"
            yield Finding(context.part, f"package {self.module}", found, "" if there else self.install)

    def _elsewhere(self, part: str, python: str) -> Finding:
        """Ask another Python, whose Ray has to be the same as ours."""
        what, place = f"package {self.module} in {python}", Path(python).parent
        setup = (
            f"create it on every node, with this Python ({_python()}) and Ray ({_ray()}):\n"
            f"python -m venv {place.parent}\n{place}/pip install 'ray=={_ray()}' pydantic\n"
            f"{place}/{self.install}"
        )
        command = [python, "-c", PROBE, self.module]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, check=True)
            told = json.loads(run.stdout)
        except OSError as error:
            return Finding(part, what, reason(error), setup)
        except (subprocess.SubprocessError, ValueError):
            return Finding(part, what, "it does not start", setup)
        found = f"Python {told['python']}, Ray {told['ray']}"
        if self.module not in told["there"]:
            return Finding(part, what, found, f"{place}/{self.install}")
        same = told["ray"] == _ray() and told["python"].split(".")[:2] == _python().split(".")[:2]
        return Finding(part, what, found, "" if same else setup)


@dataclass(frozen=True)
class LocalFile:
    """A file or folder of the user's own.

    Attributes:
        setting: The name of the setting inside its section, such as "checkpoint".
        path: What it is set to.
    """

    setting: str
    path: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look whether it exists."""
        there, name = Path(self.path).expanduser().exists(), f"{context.part}.{self.setting}"
        found = "here" if there else "does not exist"
        yield Finding(context.part, f"{name} {self.path}", found, "" if there else f"--set {name}=PATH")


@dataclass(frozen=True)
class Program:
    """A program on the search path, and why it is needed."""

    name: str
    why: str

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look for it on the search path."""
        found = shutil.which(self.name)
        remedy = "" if found else f"install {self.name}: {self.why}"
        yield Finding(context.part, f"program {self.name}", found or "not found", remedy)


def _python() -> str:
    return sys.version.split()[0]


def _ray() -> str:
    import ray

    return ray.__version__
