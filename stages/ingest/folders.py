"""The files of a folder that may be clips, and a count of all others."""

import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

# What FFmpeg's demuxers of videos and animations call their files. Not: sequences of stills, raw pictures
# without a header, and suffixes that mostly mean something else (.dat, .ogg, .v).
VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("mp4", "m4v", "mov", "qt", "f4v", "mj2", "mjp2", "3gp", "3gpp", "3g2", "ism", "ismv", "psp"),
        *("mkv", "mk3d", "webm", "avi", "divx", "xvid", "wmv", "asf", "wtv", "dvr-ms", "flv", "kux", "swf"),
        *("mpg", "mpeg", "mpe", "m1v", "m2v", "mpv", "m2p", "vob", "vro", "evo", "mod", "tod", "pva"),
        *("ts", "m2t", "m2ts", "mts", "tp", "trp", "ty", "ty+", "ogv", "ogm", "rm", "rmvb", "ivr", "nut"),
        *("mxf", "gxf", "imx", "lxf", "dv", "dif", "y4m", "ivf", "obu", "nsv", "nuv", "amv", "gif", "apng"),
        *("264", "h264", "h26l", "avc", "265", "h265", "hevc", "266", "h266", "vvc", "h261", "h263", "evc"),
        *(
            "mjpg",
            "mjpeg",
            "vc1",
            "vc2",
            "rcv",
            "drc",
            "avs",
            "avs2",
            "avs3",
            "cavs",
            "dnxhd",
            "dnxhr",
            "apv",
        ),
        *(
            "dav",
            "ifv",
            "lvf",
            "mxg",
            "viv",
            "vivo",
            "insv",
            "lrv",
            "360",
            "cine",
            "mlv",
            "r3d",
            "ser",
            "pdv",
        ),
        *("bik", "bk2", "smk", "roq", "flc", "fli", "flic", "cpk", "thp", "usm", "mods", "moflex", "mve"),
        *("mvi", "xmv", "vmd", "vqa", "4xm", "bfi", "dxa", "hnm", "rpl", "rl2", "sga", "str", "cdxl", "xl"),
        *("anm", "flm", "ipu", "jv", "gdv", "yop", "mtv"),
    )
)
TAR = ".tar"
PARTIAL = frozenset(
    f".{name}"
    for name in (
        *("part", "partial", "crdownload", "download", "opdownload", "tmp", "temp", "filepart", "incomplete"),
        *("aria2", "ytdl", "!ut", "!qb", "bc!"),
    )
)
# What systems keep beside and below the files of a user: resource forks, thumbnails, wastebaskets, snapshots.
SYSTEM = re.compile(
    r"(\._|\.Trash).*|@eaDir|@Recycle|#recycle|#snapshot|\.snapshots?|\.zfs|\$RECYCLE\.BIN|__MACOSX"
    r"|\.AppleDouble|System Volume Information|lost\+found|\.ipynb_checkpoints|\.thumbnails",
    re.DOTALL,
)
HELD = re.compile(r"^(.+)\.(?:part|aria2)$", re.DOTALL)  # beside a file that a browser or aria2 is writing
USUAL = re.compile(r"\.[\w+-]{1,12}")
DATASET = "dataset"
SHOWN = 8  # groups in a sentence

OTHER = "left out, no video by its name"
UNFINISHED = "left out, still being written"
SYSTEMS = "left out, kept by the system"
SPECIAL = "left out, a device, pipe or socket"
LOOPS = "left out, a link to a folder that is listed already"
PUBLISHED = "left out, the dataset of a workspace"
UNREADABLE = "left out, a folder that cannot be read"
UNNAMED = "left out, a name that is not valid UTF-8"


class LeftOut:
    """Counts what is left out, so that nothing is without a word."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, why: str, what: str) -> None:
        """Count one thing.

        Args:
            why: Such as OTHER.
            what: The group in it, such as a suffix.
        """
        self._counts[why][what] += 1

    def sentences(self) -> list[str]:
        """Say what was left out, how often and why: a line for each reason."""
        return [
            f"{why}: {counts.total()} ({_listed(counts)})" for why, counts in sorted(self._counts.items())
        ]

    def is_systems(self, name: str) -> bool:
        """Check by its name whether a file or folder is the system's, and count it then."""
        match = SYSTEM.fullmatch(name)
        if match:
            self.add(SYSTEMS, f"{match[1]}*" if match[1] else name)
        return match is not None

    def takes(self, path: str) -> bool:
        """Check by its name whether a file is a video or a tar, and count it otherwise.

        Args:
            path: Relative to the folder, as folders in it may be the system's.
        """
        for part in path.split("/"):
            if self.is_systems(part):
                return False
        name = Path(path)
        last = name.suffix.lower()
        if partial := PARTIAL.intersection((last, Path(name.stem).suffix.lower())):
            self.add(UNFINISHED, min(partial))
        elif last != TAR and last not in VIDEO_SUFFIXES:
            self.add(OTHER, last if USUAL.fullmatch(last) else "others")
        elif not is_utf8(path):
            self.add(UNNAMED, shown(path))
        else:
            return True
        return False


def _listed(counts: Counter[str]) -> str:
    groups = [f"{what} {count}" for what, count in sorted(counts.items(), key=lambda it: (-it[1], it[0]))]
    return ", ".join(groups[:SHOWN]) + (f", and {len(groups) - SHOWN} more" if len(groups) > SHOWN else "")


def is_utf8(name: str) -> bool:
    """Check whether a name can be stored; those of files need not be text at all."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def walk(folder: str, left: LeftOut) -> Iterator[str]:
    """List the videos and tars below a folder, in any order.

    Links to folders are followed, after all other folders, so that a file has the same path in every run. No
    folder is listed twice, nor one that the input is in, so links that lead back end nowhere.

    Args:
        folder: An absolute path.
        left: Counts what is not listed.
    """
    seen = {_identity(str(parent)) for parent in Path(folder).resolve().parents}
    links = [folder]
    while links:
        links.sort(reverse=True)
        below = [links.pop()]
        if _identity(below[0]) in seen:
            left.add(LOOPS, shown(below[0]))
        while below:
            here = below.pop()
            if (identity := _identity(here)) in seen:
                continue
            seen.add(identity)
            try:
                with os.scandir(here) as found:
                    entries = list(found)
            except OSError:
                left.add(UNREADABLE, shown(here))
                continue
            if is_workspace({entry.name for entry in entries}):
                entries = [entry for entry in entries if entry.name != DATASET]
                left.add(PUBLISHED, shown(here))
            held = {name for entry in entries for name in HELD.findall(entry.name)}
            for entry in entries:
                kind = _kind(entry)
                if kind == stat.S_IFDIR:
                    if not left.is_systems(entry.name):
                        (links if entry.is_symlink() else below).append(entry.path)
                elif entry.name in held:
                    left.add(UNFINISHED, Path(entry.name).suffix)
                elif left.takes(entry.name):
                    if kind == stat.S_IFREG:
                        yield entry.path
                    else:
                        left.add(SPECIAL, Path(entry.name).suffix)


def is_workspace(names: Collection[str]) -> bool:
    """Whether a folder with these names is a workspace, whose dataset holds clips that are there already."""
    return {"clips", DATASET} <= {*names} and bool({"run.json", ".lock", ".lock.json"} & {*names})


def _kind(entry: os.DirEntry[str]) -> int:
    """The type of a file as in `stat`, of what a link leads to."""
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    try:
        return stat.S_IFMT(entry.stat().st_mode)
    except OSError:  # a link to nothing: a clip whose file is missing
        return stat.S_IFREG


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = Path(folder).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def shown(path: str) -> str:
    """Return the name of a file or folder as it may be shown in a terminal."""
    return ascii(path.rpartition("/")[2])[:80]
