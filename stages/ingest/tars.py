"""The videos in WebDataset tars, with their captions."""

from collections.abc import Iterator

from pipeline.text import decode, from_json, plain
from stages.ingest.folders import OTHER, TAR, LeftOut
from stages.video.media import filesystem
from stages.video.tars import DamagedTarError, members

LONGEST_CAPTION = 1 << 20  # bytes of a .txt or .json
CAPTIONS = (".txt", ".json")


def videos(uri: str, left: LeftOut) -> Iterator[tuple[str, str | None]]:
    """List the videos in a tar.

    Args:
        uri: Path or URL of the tar.
        left: Counts what is not listed.

    Yields:
        The name of a member, and the caption of the same key (.txt or .json), if there is one.

    Raises:
        OSError: Nothing can be read, or nothing more: the tar is damaged behind what was listed.
    """
    names: list[str] = []
    captions: dict[str, str | None] = {}
    damage: OSError | None = None
    fs, path = filesystem(uri)
    with fs.open(path, "rb") as file:
        try:
            for member in members(file):
                key, dot, suffix = member.name.rpartition(".")
                if dot + suffix in CAPTIONS and member.size < LONGEST_CAPTION:
                    file.seek(member.start)
                    captions[key] = _caption(file.read(member.size), suffix)
                elif left.takes(member.name):
                    if suffix.lower() == TAR[1:]:
                        left.add(OTHER, TAR)
                    else:
                        names.append(member.name)
        except DamagedTarError as error:
            damage = error
    for name in names:
        yield name, captions.get(name.rpartition(".")[0])
    if damage:
        raise damage


def _caption(data: bytes, suffix: str) -> str | None:
    try:
        text = decode(data)
        found = from_json(text, as_written=True) if suffix == "json" else text.strip()
    except ValueError:  # no caption
        return None
    if not isinstance(found, dict):
        return found if suffix == "txt" else None
    return plain(found.get("caption")) or plain(found.get("text"))
