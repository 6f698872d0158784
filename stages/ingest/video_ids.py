"""Names of source videos that come from names of files.

They do not depend on the name of the input's folder, so that the same files give the same splits in another
place. Some files have the same name: `scene_001/rgb/video.mp4`, `scene_002/rgb/video.mp4`, ...
By default, a video is named after its folder and its file, so that the pieces of one video are never divided
between splits, wherever they are. A name that very many files have says nothing of the video, and would put
all of them into one split. There, the folders above tell the videos apart.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

MOST_FOLDERS = 10  # with files of one name; fewer may be of one video, as in several resolutions
LARGEST_SHARE = 0.1  # of all clips


def apart(found: pa.Table, known: pa.Table | None = None) -> pa.Table:
    """Give files of the same name in different folders a video_id each.

    What is below the folder that tells the videos apart, such as several views of a scene, stays together.

    Args:
        found: With the columns uri, video_id, source, and named: whether the video_id is made from the uri.
        known: Clips that have their video_id already (uri and video_id): others in their folders share it.

    Returns:
        The same rows.
    """
    many = LARGEST_SHARE * found.num_rows
    counts = found.filter(found["named"]).group_by("video_id").aggregate([("uri", "count")])
    often = counts["video_id"].filter(pc.greater(counts["uri_count"], min(many, MOST_FOLDERS)))
    chosen = pc.and_(found["named"], pc.is_in(found["video_id"], often)).combine_chunks()
    files = _files(found.filter(chosen))
    ids = pa.array(_told_apart(files, _vague(files, many)), pa.string())
    renamed = pc.replace_with_mask(found["video_id"].combine_chunks(), chosen, ids)
    if known is not None:
        before = _names(known).combine_chunks()
        kept = known["video_id"].combine_chunks().take(pc.index_in(_names(found), before).combine_chunks())
        renamed = pc.if_else(pc.and_(found["named"], pc.is_valid(kept)).combine_chunks(), kept, renamed)
    return found.set_column(found.column_names.index("video_id"), "video_id", renamed)


def without_root(found: pa.Table, root: str) -> pa.Table:
    """Leave the name of the input's folder out of the video_id of the files that are directly in it.

    Args:
        found: With the columns uri, video_id, source, and named: whether the video_id is made from the uri.
        root: The folder, as in uri.

    Returns:
        The same rows.
    """
    direct = pc.and_(found["named"], pc.equal(_files(found)["folder"], root))
    name = re.escape(root.rpartition("/")[2])
    short = pc.replace_substring_regex(found["video_id"], f"^{name}/", "")
    ids = pc.if_else(direct, short, found["video_id"])
    return found.set_column(found.column_names.index("video_id"), "video_id", ids)


def _names(clips: pa.Table) -> pa.ChunkedArray:
    """The folder of each clip and the last part of its video_id, which is the same however long the id is."""
    last = pc.replace_substring_regex(clips["video_id"], r"^(?s:.*)/", "")
    return pc.binary_join_element_wise(_files(clips)["folder"], last, "/")


def _told_apart(files: pa.Table, vague: set[str]) -> list[str]:
    ids, folders, sources = (files[name].to_pylist() for name in ("video_id", "folder", "source"))
    rows = defaultdict[str, list[int]](list)
    for row, video_id in enumerate(ids):
        if video_id in vague:
            rows[video_id].append(row)
    for video_id, group in rows.items():
        above = _above({folders[row] for row in group})
        for row in group:
            folder, source = folders[row], sources[row]
            head = [] if folder.rpartition("/")[2] == source else [source]
            ids[row] = "/".join([*head, *above[folder], video_id.removeprefix(f"{source}/")])
    return ids


def _vague(files: pa.Table, many: float) -> set[str]:
    """The ids that stand for several videos, as far as names can tell.

    Pieces of one video have different names, so a name that comes again is of another video, unless the two
    are versions of one. Of few files they may be; where they are many, or most of them, they are not.
    """
    groups = files.group_by("video_id").aggregate(
        [(name, "count_distinct") for name in ("place", "stem", "folder")] + [("place", "count")]
    )
    places, stems, folders = (groups[f"{name}_count_distinct"] for name in ("place", "stem", "folder"))
    lump = pc.greater(groups["place_count"], many)
    repeated = pc.or_(pc.greater(places, stems), pc.greater(folders, MOST_FOLDERS))
    everywhere = pc.greater(places, pc.multiply(stems, MOST_FOLDERS))
    vague = pc.and_(pc.greater(folders, 1), pc.or_(everywhere, pc.and_(lump, repeated)))
    return set(groups["video_id"].filter(vague).to_pylist())


def _files(clips: pa.Table) -> pa.Table:
    """Where each clip's file is, its folder, and its name without suffix; a tar is a folder."""
    places = pc.replace_substring(clips["uri"], "::", "/")
    folder = pc.replace_substring_regex(places, r"/[^/]*$", "")
    stem = pc.replace_substring_regex(pc.replace_substring_regex(places, r"^(?s:.*)/", ""), r"\.[^.]*$", "")
    return clips.append_column("place", places).append_column("folder", folder).append_column("stem", stem)


def _above(folders: Iterable[str]) -> dict[str, list[str]]:
    """The part of each folder's path that tells them apart: down to the level with most different names."""
    paths = {folder: folder.split("/") for folder in folders}
    levels = range(max(map(len, paths.values())))
    names = [len({tuple(path[level : level + 1]) for path in paths.values()}) for level in levels]
    first = next(level for level in levels if names[level] > 1)
    last = max(levels, key=names.__getitem__)
    return {folder: path[first : last + 1] for folder, path in paths.items()}


def lumps(video_ids: pa.ChunkedArray) -> list[str]:
    """Say which source videos hold so large a share of the clips that splits will be uneven."""
    counts = video_ids.value_counts()
    total = len(video_ids)
    return [
        f"{count} of {total} clips have the video_id {video_id!r} and will be in one split; if they are of"
        " several videos, give them a video_id each: in a manifest, or by ingest.video_id_pattern"
        for video_id, count in zip(*(counts.field(k).to_pylist() for k in range(2)), strict=True)
        if count > 1 and count > LARGEST_SHARE * total
    ]
