"""The videos of the clips in question as files of their own, for tools that show videos but cut none."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.errors import ClipError
from stages.video.media import is_local
from stages.video.playable import PLAYED, Videos


def write_videos(
    clips: Iterable[Mapping[str, Any]], folder: Path, done: Callable[[int], None]
) -> tuple[dict[str, str], dict[str, ClipError]]:
    """Write a file that browsers play for each clip: a shot is cut out and encoded, a whole file linked.

    Files of an earlier call are kept where the clip's own file is as old as it was then.

    Args:
        clips: Rows with clip_id, uri, start_s, end_s.
        folder: Where to; it is created if it does not exist.
        done: Called with the number of clips that are done, after each.

    Returns:
        The name of each clip's file, by clip_id; and of the clips that cannot be shown, why.

    Raises:
        OSError: The folder cannot be written.
        RunError: The store of a clip cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {clip["clip_id"]: clip for clip in clips}
    names = {clip_id: name for clip_id, clip in rows.items() if (name := _there(clip, folder))}
    failed: dict[str, ClipError] = {}
    # Beside them: a file gets its name when it is complete.
    with (
        tempfile.TemporaryDirectory(prefix=".motionsight-", dir=folder) as making,
        closing(Videos(rows, making)) as videos,
    ):
        wanted: dict[Future[tuple[str, str]], str] = {
            videos.get(clip_id): clip_id for clip_id in rows if clip_id not in names
        }
        for future in as_completed(wanted):
            clip_id = wanted[future]
            try:
                path, kind = future.result()
                names[clip_id] = _placed(rows[clip_id], Path(path), folder, kind.removeprefix("video/"))
            except ClipError as error:
                failed[clip_id] = error
            done(len(names) + len(failed))
    return names, failed


def _there(clip: Mapping[str, Any], folder: Path) -> str | None:
    """The name of the clip's file, if an earlier call has made it of the same file."""
    if not is_local(clip["uri"]) or not Path(clip["uri"]).exists():
        return None
    for suffix in PLAYED:
        path = folder / f"{clip['clip_id']}.{suffix}"
        if path.exists() and path.stat().st_mtime_ns == Path(clip["uri"]).stat().st_mtime_ns:
            return path.name
    return None


def _placed(clip: Mapping[str, Any], made: Path, folder: Path, suffix: str) -> str:
    """Put the playable file of a clip into the folder, as old as the clip's own, and return its name."""
    target = folder / f"{clip['clip_id']}.{suffix}"
    target.unlink(missing_ok=True)
    source = Path(clip["uri"]).resolve()
    if is_local(clip["uri"]) and made.resolve() == source:
        try:
            os.link(source, target)
        except OSError:  # on another file system, or somebody else's
            shutil.copy2(source, target)
        return target.name
    if is_local(clip["uri"]):
        age = source.stat()
        os.utime(made, ns=(age.st_atime_ns, age.st_mtime_ns))
    made.replace(target)
    return target.name
