import csv
import datetime
import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import CallError
from stages.ingest.find import find
from stages.ingest.settings import IngestConfig

CONFIG = IngestConfig()


def rows_of(path: Path, data: bytes | str) -> list[dict[str, Any]]:
    """What a manifest gives, in the order of its uris."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return sorted(find(str(path), CONFIG).to_pylist(), key=lambda row: row["uri"])


def refused(path: Path, data: bytes | str) -> str:
    with pytest.raises(CallError) as caught:
        rows_of(path, data)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def written(kind: str, rows: list[dict[str, Any]]) -> bytes:
    """A manifest of these rows."""
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_ids_are_as_they_stand(tmp_path: Path, kind: str) -> None:
    rows = [
        {"uri": f"{k}.mp4", "video_id": each, "source": each} for k, each in enumerate(["007", "7", "0", ""])
    ]
    found = rows_of(tmp_path / f"a.{kind}", written(kind, rows))
    assert [row["video_id"] for row in found[:3]] == [row["source"] for row in found[:3]] == ["007", "7", "0"]
    assert found[3]["video_id"] == "3"
    rows = [{"uri": f"{k}.mp4", "video_id": k, "source": k, "caption": k} for k in range(2)]
    found = rows_of(tmp_path / f"a.{kind}", written(kind, rows))
    assert [(row["video_id"], row["source"], row["caption"]) for row in found] == [
        ("0", "0", "0"),
        ("1", "1", "1"),
    ]


def test_captions_may_be_of_any_type(tmp_path: Path) -> None:
    captions: list[Any] = [5, "2024-01-31", ["one", "two"], None, 1.50, {"en": "a"}, True]
    rows = [{"uri": f"{k}.mp4", "caption": each} for k, each in enumerate(captions)]
    found = rows_of(tmp_path / "a.jsonl", written("jsonl", rows))
    assert [row["caption"] for row in found] == [
        "5",
        "2024-01-31",
        "one\ntwo",
        None,
        "1.5",
        '{"en": "a"}',
        "True",
    ]
    day, moment = datetime.date(2024, 1, 31), datetime.datetime(2024, 1, 31, 12)
    for value, text in (
        (day, "2024-01-31"),
        (moment, "2024-01-31 12:00:00"),
        ([1, 2], "1\n2"),
        (b"\xe9", "é"),
    ):
        (row,) = rows_of(tmp_path / "a.parquet", written("parquet", [{"uri": "a.mp4", "caption": value}]))
        assert row["caption"].removesuffix(".000000") == text
    nanoseconds = pa.table({"uri": ["a.mp4"], "caption": pa.array([1], pa.timestamp("ns"))})
    pq.write_table(nanoseconds, tmp_path / "ns.parquet")
    assert find(str(tmp_path / "ns.parquet"), CONFIG)["caption"][0].as_py().startswith("1970-01-01 00:00:00")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_manifests_of_any_encoding_are_read(tmp_path: Path, encoding: str, suffix: str, pack: type) -> None:
    for kind in ("csv", "jsonl"):
        data = written(kind, [{"uri": "é.mp4", "caption": "Ein Bär"}]).decode().encode(encoding)
        (row,) = rows_of(tmp_path / f"a.{kind.upper()}{suffix}", pack(data))
        assert (row["uri"], row["caption"]) == (str(tmp_path / "é.mp4"), "Ein Bär")


def test_quoted_newlines_and_long_fields_are_read_in_files_of_any_size(tmp_path: Path) -> None:
    rows = [{"uri": f"{k:05}.mp4", "caption": f'"{k}",\n\r\nof many\n' * 20} for k in range(20_000)]
    rows.append({"uri": "zz.mp4", "caption": "x" * 200_000})
    found = rows_of(tmp_path / "a.csv", written("csv", rows))
    assert [row["caption"] for row in found] == [row["caption"] for row in rows]


def test_columns_that_are_not_used_may_hold_anything(tmp_path: Path) -> None:
    lines = [{"uri": "a.mp4", "x": 1}, {"uri": "b.mp4", "x": {"y": [1, "2"]}}, {"x": "é", "uri": "c.mp4"}]
    assert len(rows_of(tmp_path / "a.jsonl", written("jsonl", lines))) == 3
    many = "".join(f"{k:06}.mp4,{k}\n" for k in range(100_000))  # two million bytes before the type changes
    assert len(rows_of(tmp_path / "a.csv", f"uri,x\n{many}z.mp4,not a number\n")) == 100_001


def test_json_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    caption = "a\u2028b\u2029c\x85d"
    (row,) = rows_of(tmp_path / "a.jsonl", written("jsonl", [{"uri": "a.mp4", "caption": caption}]))
    assert row["caption"] == caption
    assert len(rows_of(tmp_path / "a.ndjson", b'{"uri": "a.mp4"}\r\n\r\n{"uri": "b.mp4"}')) == 2


@pytest.mark.parametrize(
    "caption",
    ["1" * 5000, "[" * 200_000 + "]" * 200_000, '"\\ud800"', "-1e999", "NaN", '"\\u0000"'],
    ids=lambda caption: caption[:9],
)
def test_no_caption_ends_the_ingest(tmp_path: Path, caption: str) -> None:
    found = rows_of(tmp_path / "a.jsonl", f'{{"caption": {caption}, "uri": "a.mp4"}}\n{{"uri": "b.mp4"}}')
    assert [Path(row["uri"]).name for row in found] == ["a.mp4", "b.mp4"]


BAD_TIMES = [
    ("NaN", "NaN", "start_s is not a time"),
    ("-1", "2", "start_s is not a time"),
    ("2", "1", "end_s is not after start_s"),
    ("1", "1", "end_s is not after start_s"),
    ("0", "Infinity", "end_s is not a time"),
    ("soon", "2", "start_s is not a number"),
    ("0", "9" * 5000, "end_s is not a time"),
]


@pytest.mark.parametrize(("start", "end", "why"), BAD_TIMES, ids=lambda value: value[:9])
def test_impossible_times_are_refused_with_their_line(tmp_path: Path, start: str, end: str, why: str) -> None:
    text = f'uri,start_s,caption,end_s\na.mp4,0,"two\nlines",1\nb.mp4,{start},,{end}\n'
    assert f"line 4: {why}" in refused(tmp_path / "a.csv", text)
    start, end = (json.dumps(at) if at == "soon" else at for at in (start, end))
    text = f'{{"uri": "a.mp4"}}\n{{"uri": "b.mp4", "start_s": {start}, "end_s": {end}}}\n'
    assert f"line 2: {why}" in refused(tmp_path / "a.jsonl", text)
    if start != '"soon"':
        rows = [{"uri": "a.mp4", "start_s": float(start), "end_s": float(end)}]
        assert f"row 1: {why}" in refused(tmp_path / "a.parquet", written("parquet", rows))


def test_times_may_be_left_out(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "a.csv", "uri,start_s,end_s\na.mp4,,\n")
    assert (row["start_s"], row["end_s"]) == (None, None)
    (row,) = rows_of(tmp_path / "a.csv", "uri,start_s,end_s\na.mp4,-0.0,3\n")
    assert (math.copysign(1, row["start_s"]), row["end_s"]) == (1, 3.0)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.csv", "uri,caption\na.mp4,b,c\n", "line 2: it has 3 fields"),
        ("a.csv", 'uri,caption\na.mp4,b\nb.mp4,"c\nd.mp4,d\n', "line 3: unexpected end of data"),
        ("a.csv", "uri\na.mp4\n\n\0\n", "line 4: the uri is not a name"),
        ("a.csv", "uri,caption\n,b\n", "line 2: the uri is empty"),
        ("a.jsonl", '{"uri": "a.mp4"}\n\n{"uri": }\n', "line 3 is not valid JSON"),
        ("a.jsonl", '["a.mp4"]\n', "line 1 is not a JSON object"),
        pytest.param("a.jsonl", "[" * 200_000, "line 1 is not valid JSON", id="deep"),
        ("a.jsonl", '{"path": "a.mp4"}\n', "no column 'uri' (columns: 'path')"),
        ("a.jsonl.gz", gzip.compress(b'{"uri": "a.mp4"}', mtime=0)[:-9], "damaged gzip"),
        ("a.csv.gz", b"\x1f\x8b\0", "damaged gzip"),
        ("a.csv", b"\xff\xfeu\0r", "damaged text"),
        ("a.parquet", b"PAR1" * 9, "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_with_the_line(
    tmp_path: Path, name: str, data: bytes | str, why: str
) -> None:
    assert why in refused(tmp_path / name, data)
