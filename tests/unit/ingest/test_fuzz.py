"""Inputs damaged at random give clips or one sentence, soon, and no file is read that they do not name."""

import csv
import gzip
import io
import json
import random
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import CallError
from stages.ingest.find import find
from stages.ingest.settings import IngestConfig
from stages.ingest.stage import checksum

ROUNDS = [40, pytest.param(2000, marks=pytest.mark.long)]
LONGEST_S = 10.0  # of a round, which takes milliseconds
WATCHED: list[str] | None = None  # the files that were opened, while somebody watches


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and WATCHED is not None and not str(args[0]).endswith((".py", ".pyc", ".so")):
        WATCHED.append(str(args[0]))


sys.addaudithook(_watch)  # for the rest of the process: Python has no way to take it back


@contextmanager
def watching() -> Iterator[list[str]]:
    global WATCHED
    WATCHED = opened = []
    try:
        yield opened
    finally:
        WATCHED = None


def damaged(data: bytes, draw: random.Random) -> bytes:
    """The data with some of its bytes flipped, overwritten, cut out or repeated."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, length = draw.randrange(len(out) + 1), draw.choice((1, 2, 8, 100, 512))
        part = bytes(out[at : at + length])
        out[at : at + length] = draw.choice(
            (
                b"",
                part * draw.randint(2, 40),
                draw.randbytes(len(part)),
                bytes(byte ^ 1 << draw.randrange(8) for byte in part),
                draw.choice(
                    (b'"', b"\n", b"\0" * 512, b"[" * 9999, b"9" * 9999, b"\\ud800", b"\xff", b"../", b"::")
                ),
            )
        )
        if draw.random() < 0.2:
            del out[draw.randrange(len(out) + 1) :]
    return bytes(out)


def tar(draw: random.Random) -> bytes:
    out = io.BytesIO()
    kind = draw.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    long = "" if kind == tarfile.USTAR_FORMAT else "n" * 120
    with tarfile.open(fileobj=out, mode="w", format=kind) as file:
        for name in ("a", f"x/{long}b", "../secret", "/secret"):
            for suffix, data in ((".mp4", b"v" * 700), (".json", b'{"caption": "a b"}'), (".txt", b"c")):
                info = tarfile.TarInfo(name + suffix)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.mp4")
        link.type, link.linkname = draw.choice((tarfile.SYMTYPE, tarfile.LNKTYPE)), "/dev/zero"
        file.addfile(link)
    return out.getvalue()


def rows(draw: random.Random) -> list[dict[str, object]]:
    given = [0, 7.5, "007", 'a, "b"\nü', None, ["a"], True]
    return [
        {"uri": f"{k}.mp4", "start_s": k, "end_s": k + 1.5, "video_id": str(k), "caption": draw.choice(given)}
        for k in range(9)
    ]


def jsonl(draw: random.Random) -> bytes:
    text = "".join(json.dumps(row, ensure_ascii=draw.random() < 0.5) + "\n" for row in rows(draw))
    return text.encode(draw.choice(("utf-8", "utf-16", "utf-8-sig", "latin-1")))


def table(draw: random.Random) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows(draw)[0])
    writer.writeheader()
    writer.writerows(rows(draw))
    return text.getvalue().encode(draw.choice(("utf-8", "utf-16", "latin-1")))


def parquet(draw: random.Random) -> bytes:
    sink = io.BytesIO()
    made = [row | {"caption": str(row["caption"])} for row in rows(draw)]
    pq.write_table(pa.Table.from_pylist(made), sink)
    return sink.getvalue()


def packed(draw: random.Random) -> bytes:
    return gzip.compress(draw.choice((bytes, lambda data: damaged(data, draw)))(jsonl(draw)), mtime=0)


def outcome_of(path: Path) -> str:
    try:
        found = find(str(path), IngestConfig())
    except CallError as error:
        return str(error) if "\n" in str(error) else "sentence"
    for uri in found["uri"].to_pylist() if path.suffix == ".tar" else ():
        checksum(uri)
    return "clips"


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize(
    ("name", "make"),
    [("a.tar", tar), ("a.jsonl", jsonl), ("a.csv", table), ("a.parquet", parquet), ("a.jsonl.gz", packed)],
)
def test_a_damaged_input_gives_clips_or_a_sentence(
    tmp_path: Path, name: str, make: Callable[[random.Random], bytes], rounds: int
) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    path = tmp_path / "in" / name
    path.parent.mkdir()
    outcomes = set()
    for seed in range(rounds):
        draw = random.Random(seed)
        data = make(draw)
        path.write_bytes(data if draw.random() < 0.2 else damaged(data, draw))
        began = time.perf_counter()
        with watching() as opened:
            outcome = outcome_of(path)
        assert outcome in ("clips", "sentence"), seed
        outcomes.add(outcome)
        assert time.perf_counter() - began < LONGEST_S, seed
        assert set(opened) <= {str(path)}, seed
    assert outcomes == {"sentence", "clips"}
