import io
import tarfile
from pathlib import Path

import pytest

from stages.video.media import MEMBER, read_bytes
from stages.video.tars import DamagedTarError, members
from tests import videos


def packed(*infos: tarfile.TarInfo, kind: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of these members; the bytes of each are its number."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for number, info in enumerate(infos):
            tar.addfile(info, io.BytesIO(bytes([number]) * info.size))
    return out.getvalue()


def info(name: str, size: int = 700, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    return made


def read(data: bytes) -> tuple[list[str], str]:
    """The members' names, and what is damaged."""
    names = []
    try:
        for member in members(io.BytesIO(data)):
            names.append(member.name)
    except DamagedTarError as error:
        return names, str(error)
    return names, ""


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_where_the_standard_library_finds_them(kind: int) -> None:
    long = "" if kind == tarfile.USTAR_FORMAT else "ü" * 150
    data = packed(
        info("a.mp4"),
        info("folder", 0, tarfile.DIRTYPE),
        info(f"x/{long}b.mp4", 0),
        info("link.mp4", 0, tarfile.SYMTYPE),
        info(f"{long}c.mp4", 512),
        kind=kind,
    )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(m.name, m.offset_data, m.size) for m in tar if m.isfile()]
    assert [(m.name, m.start, m.size) for m in members(io.BytesIO(data))] == expected
    assert len(expected) == 3


def test_damage_costs_the_rest_and_is_said() -> None:
    whole = packed(*(info(f"{k}.mp4") for k in range(4)))
    second = 3 * 512  # a header and two blocks for each member
    assert read(whole) == (["0.mp4", "1.mp4", "2.mp4", "3.mp4"], "")
    assert read(whole[: second + 600])[0] == ["0.mp4"]
    assert "'1.mp4' ends beyond" in read(whole[: second + 600])[1]
    assert "after '1.mp4'" in read(whole[: 2 * second] + b"?" * 512 + whole[2 * second + 512 :])[1]
    assert "ends in a header" in read(whole[: second + 100])[1]
    assert "from the start" in read(b"no tar" * 1000)[1]
    assert "empty" in read(b"")[1]
    assert read(whole[: 2 * second]) == (["0.mp4", "1.mp4"], "")  # no end mark, as some writers leave it


def test_headers_are_read_within_limits() -> None:
    names = b"".join(
        info("././@LongLink", 5, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
        + b"a.mp4".ljust(512, b"\0")
        for _ in range(600)
    )
    assert read(names + packed(info("b.mp4"))) == (["a.mp4"], "")
    huge = info("long", 1 << 40, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    assert "ends beyond" in read(huge + bytes(4096))[1]
    back = info("a.mp4", -1024).tobuf(tarfile.GNU_FORMAT)
    assert read(packed(info("0.mp4"))[:1536] + back)[0] == ["0.mp4"]
    for record in (b"0 path=x\n", b"99 path=x\n", b"%s path=x\n" % (b"9" * 5000), b"20 size=99999999999\n"):
        head = info("pax", len(record), tarfile.XHDTYPE).tobuf(tarfile.USTAR_FORMAT)
        names_, damage = read(head + record + bytes(-len(record) % 512) + packed(info("a.mp4")))
        assert (names_, bool(damage)) in ((["a.mp4"], False), ([], True))


def test_whole_members_of_a_damaged_tar_are_read_and_the_others_name_the_damage(tmp_path: Path) -> None:
    videos.write_tar(tmp_path / "s.tar", a=b"one", b=b"two")
    data = (tmp_path / "s.tar").read_bytes()
    (tmp_path / "s.tar").write_bytes(data[:1026])
    assert read_bytes(f"{tmp_path}/s.tar::a.mp4") == b"one"
    with pytest.raises(OSError, match=r"cannot read .*s\.tar::b\.mp4: the tar is damaged after 'a\.mp4'"):
        read_bytes(f"{tmp_path}/s.tar::b.mp4")


def test_the_name_of_a_member_cannot_name_another_tar() -> None:
    match = MEMBER.fullmatch("/d/x.tar::/etc/y.tar::b.mp4")
    assert match
    assert (match["tar"], match["member"]) == ("/d/x.tar", "/etc/y.tar::b.mp4")
