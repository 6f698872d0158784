import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ClipError
from stages.serve.clip import write_clip
from tests import videos

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(out) (w) file\n%%EOF\n"


def encoded(form: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(videos.scene(64, 48)).save(out, form)
    return out.getvalue()


def huge(width: int, height: int) -> bytes:
    """The head of a PNG of that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_common_picture_formats_are_read(tmp_path: Path, form: str) -> None:
    write_clip([encoded(form)] * 2, np.array([0.0, 0.5]), str(tmp_path / "clip"))
    assert (tmp_path / "clip").stat().st_size


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (EPS, "none of JPEG"),
        (encoded("TIFF"), "none of JPEG"),
        (b"not a picture", "none of JPEG"),
        (huge(20_000, 20_000), "too large"),
        (huge(5_000, 5_000), "too large"),
        (huge(64, 48), "cannot be decoded"),
        (encoded("PNG")[:300], "cannot be decoded"),
    ],
)
def test_what_is_no_such_picture_gets_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, why: str
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", started)
    with pytest.raises(ClipError, match=why) as caught:
        write_clip([data] * 2, np.array([0.0, 0.5]), str(tmp_path / "clip"))
    assert caught.value.code == "decode_error"
