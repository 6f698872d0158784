"""Check that the sdist and the wheel in a folder are complete: `python scripts/check_dist.py dist`."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGES = ("pipeline", "filters", "stages", "configs", "jobs")


def tracked(*paths: str) -> set[str]:
    """List the files that git tracks under these paths, or in the whole repository."""
    listed = subprocess.run(["git", "ls-files", *paths], capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def in_wheel(file: Path) -> set[str]:
    """List the files in a wheel."""
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def in_sdist(file: Path) -> set[str]:
    """List the files in an sdist, as paths below its top folder."""
    with tarfile.open(file) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def main(folder: str) -> int:
    """Print which files are missing or do not belong.

    Args:
        folder: With one wheel and one sdist.

    Returns:
        The exit code: 0 if both are complete, else 1.
    """
    (wheel,), (sdist,) = Path(folder).glob("*.whl"), Path(folder).glob("*.tar.gz")
    packed = in_wheel(wheel)
    metadata = {name for name in packed if ".dist-info/" in name}
    wanted = tracked(*PACKAGES)
    problems = [
        *(f"{wheel.name} lacks {name}" for name in sorted(wanted - packed)),
        *(f"{wheel.name} should not contain {name}" for name in sorted(packed - metadata - wanted)),
        *(f"{sdist.name} lacks {name}" for name in sorted(tracked() - in_sdist(sdist))),
    ]
    if not any(name.endswith("/entry_points.txt") for name in metadata):
        problems.append(f"{wheel.name} has no entry points")
    print("\n".join(problems) or f"{wheel.name} and {sdist.name} are complete")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
