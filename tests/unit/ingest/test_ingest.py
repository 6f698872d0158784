import csv
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import CallError
from pipeline.schema import CLIPS, DUPLICATES, FINGERPRINTS
from stages.ingest.find import find
from stages.ingest.identity import clip_id, new_rows, unseen
from stages.ingest.settings import IngestConfig
from stages.ingest.shots import shots
from stages.ingest.stage import Fingerprint
from tests import videos

CONFIG = IngestConfig()


def fingerprints(found: pa.Table, config: IngestConfig = CONFIG) -> pa.Table:
    stage = Fingerprint(config)
    stage.setup()
    return pa.Table.from_pylist([stage.work(row) for row in found.to_pylist()], FINGERPRINTS)


def ingested(
    found: pa.Table, clips: pa.Table | None = None, duplicates: pa.Table | None = None
) -> tuple[pa.Table, pa.Table]:
    """What the input adds to these tables, by default empty ones."""
    before = clips or CLIPS.empty_table(), duplicates or DUPLICATES.empty_table()
    return new_rows(found, fingerprints(found), *before)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return videos.write(tmp_path_factory.mktemp("one") / "a.mp4", 12).read_bytes()


@pytest.fixture
def folder(tmp_path: Path, clip: bytes) -> Path:
    for name in ("a.mp4", "b/c.MP4", "b/with space.webm", "b/notes.txt", "ünï 'q\" \n.mp4", "...mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(clip + name.encode())
    return tmp_path


def names(table: pa.Table, root: Path) -> list[str]:
    return sorted(str(Path(uri).relative_to(root)) for uri in table["uri"].to_pylist())


def test_a_folder_gives_its_videos_at_any_depth(folder: Path) -> None:
    found = find(str(folder), CONFIG)
    assert names(found, folder) == sorted(
        ["a.mp4", "b/c.MP4", "b/with space.webm", "ünï 'q\" \n.mp4", "...mp4"]
    )
    assert len(set(found["clip_id"].to_pylist())) == 5


def test_one_file_and_a_glob_give_what_they_name(folder: Path) -> None:
    assert names(find(str(folder / "a.mp4"), CONFIG), folder) == ["a.mp4"]
    assert names(find(str(folder / "**" / "*.webm"), CONFIG), folder) == ["b/with space.webm"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_manifest_gives_its_rows_with_paths_beside_it(folder: Path, kind: str) -> None:
    rows = [
        {"uri": "a.mp4", "caption": "first", "start_s": 0.5, "end_s": 2.0},
        {"uri": "b/c.MP4", "caption": "zwéite", "start_s": 0.0, "end_s": 1.0},
    ]
    path = folder / f"list.{kind}"
    if kind == "csv":
        with open(path, "w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    found = find(str(path), CONFIG)
    assert names(found, folder) == ["a.mp4", "b/c.MP4"]
    assert set(found["caption"].to_pylist()) == {"first", "zwéite"}
    assert set(found["end_s"].to_pylist()) == {2.0, 1.0}


def test_a_webdataset_tar_gives_its_videos_with_their_captions(tmp_path: Path, clip: bytes) -> None:
    with tarfile.open(tmp_path / "shard-000.tar", "w") as tar:
        for name, data in {
            "x/0001.mp4": clip,
            "x/0001.json": b'{"caption": "a cat"}',
            "0002.mp4": clip + b"2",
            "0002.txt": b"a dog",
            "0003.jpg": b"",
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    found = find(str(tmp_path / "shard-000.tar"), CONFIG)
    assert sorted(found["caption"].to_pylist()) == ["a cat", "a dog"]
    assert sorted(fingerprints(found)["bytes"].to_pylist()) == [len(clip), len(clip) + 1]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), "no clips"),
        (lambda path: None, "does not exist"),
        (lambda path: path.with_suffix(".csv").write_text("path\nx.mp4\n"), "no column 'uri'"),
        (lambda path: path.with_suffix(".csv").write_text("uri,start_s\nx.mp4,soon\n"), "not a number"),
        (lambda path: path.with_suffix(".csv").write_text("uri,start_s,end_s\nx.mp4,2,1\n"), "not after"),
        (lambda path: path.with_suffix(".csv").write_text("uri\n"), "no clips"),
        (lambda path: path.with_suffix(".jsonl").write_text("{not json"), "line 1 is not valid JSON"),
        (lambda path: path.with_suffix(".jsonl").write_text(""), "no column 'uri'"),
        (lambda path: path.with_suffix(".parquet").write_bytes(b"PAR"), "cannot be read"),
        (lambda path: path.with_suffix(".tar").write_bytes(b"no tar" * 999), "cannot be read"),
    ],
)
def test_an_input_that_is_none_is_refused_in_one_line(tmp_path: Path, make: object, told: str) -> None:
    make(tmp_path / "input")  # type: ignore[operator]
    made = next(tmp_path.iterdir(), tmp_path / "input")
    with pytest.raises(CallError, match=told) as caught:
        find(str(made), CONFIG)
    assert "\n" not in str(caught.value)
    assert "input" in str(caught.value)


def test_a_manifest_may_name_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("uri\ngone.mp4\n")
    rows, _ = ingested(find(str(tmp_path / "list.csv"), CONFIG))
    ((size, digest),) = ((row["bytes"], row["sha256"]) for row in rows.to_pylist())
    assert (size, digest) == (None, None)


def test_the_same_bytes_are_one_clip_and_recorded_as_duplicates(tmp_path: Path, clip: bytes) -> None:
    for name in ("b.mp4", "a.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(clip)
    (tmp_path / "d.mp4").write_bytes(clip + b"!")
    rows, twins = ingested(find(str(tmp_path), CONFIG))
    ids = {Path(row["uri"]).name: row["clip_id"] for row in rows.to_pylist()}
    assert set(ids) == {"a.mp4", "d.mp4"}
    assert [(Path(row["uri"]).name, row["clip_id"]) for row in twins.to_pylist()] == [
        ("b.mp4", ids["a.mp4"]),
        ("c.mp4", ids["a.mp4"]),
    ]


def test_what_a_killed_run_wrote_of_its_result_is_completed(tmp_path: Path) -> None:
    for k in range(9):
        (tmp_path / f"{k}.mp4").write_bytes(b"%d" % (k % 4))
    found = find(str(tmp_path), CONFIG)
    rows, twins = ingested(found)
    assert (rows.num_rows, twins.num_rows) == (4, 5)
    for clips, duplicates in ((0, 0), (1, 0), (3, 0), (4, 0), (4, 2), (4, 5)):
        rest = ingested(found, rows[:clips], twins[:duplicates])
        assert rest == (rows[clips:], twins[duplicates:])


def test_an_equal_file_that_comes_later_is_the_duplicate_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"same")
    clips, duplicates = ingested(find(str(tmp_path), CONFIG))
    (tmp_path / "a.mp4").write_bytes(b"same")
    rows, twins = ingested(find(str(tmp_path), CONFIG), clips, duplicates)
    assert rows.num_rows == 0
    assert twins.to_pylist() == [{"uri": str(tmp_path / "a.mp4"), "clip_id": clips["clip_id"][0].as_py()}]


def test_what_is_known_is_not_looked_at_again(tmp_path: Path, clip: bytes) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(clip)
    found = find(str(tmp_path), CONFIG)
    clips, duplicates = ingested(found)
    assert unseen(found, clips, duplicates).num_rows == 0
    assert unseen(found, CLIPS.empty_table(), DUPLICATES.empty_table()) == found


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("-eq3I7gRqTI_000100_000110", "-eq3I7gRqTI"),
        ("v_JNr0oI927ng_t0.13-5.64", "v_JNr0oI927ng"),
        ("pexels_landscape_landscape_7895832_002", "pexels_landscape_landscape_7895832"),
        ("pixabay_Beach_Sunrise_37084_001", "pixabay_Beach_Sunrise_37084"),
        ("clip_001", "clip_001"),
        ("DKZPW", "DKZPW"),
    ],
)
def test_pieces_of_one_video_share_its_id(tmp_path: Path, name: str, video: str) -> None:
    (tmp_path / f"{name}.mp4").touch()
    assert find(str(tmp_path), CONFIG)["video_id"].to_pylist() == [video]


def test_a_clip_id_depends_on_place_and_times_alone() -> None:
    assert clip_id("/a.mp4", None, None) == clip_id("/a.mp4", None, None) != clip_id("/a.mp4", 0.0, None)
    assert len(clip_id("/ü.mp4", 1, 2)) == 16
    assert clip_id("/a", 1, 2) == clip_id("/a", 1.0, 2.0)


@pytest.mark.slow
def test_a_long_video_is_cut_into_its_shots(tmp_path: Path) -> None:
    import av
    import numpy as np
    from skimage import data

    pictures = [
        np.ascontiguousarray(p[:240, :320, :3]) for p in (data.astronaut(), data.coffee(), data.chelsea())
    ]
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height = 320, 240
        for picture in pictures:
            for _ in range(36):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    config = IngestConfig(shots="content", shot_min_s=1.0)
    assert shots(str(tmp_path / "film.mp4"), config) == [(0, 3), (3, 6), (6, 9)]
    longest = IngestConfig(shots="content", shot_max_s=2.0, shot_min_s=1.0)
    assert len(shots(str(tmp_path / "film.mp4"), longest)) == 6
    found = find(str(tmp_path), config)
    rows, _ = new_rows(found, fingerprints(found, config), CLIPS.empty_table(), DUPLICATES.empty_table())
    assert rows["clip_id"].to_pylist() == sorted(
        clip_id(str(tmp_path / "film.mp4"), k, k + 3) for k in (0, 3, 6)
    )
    assert len(set(rows["video_id"].to_pylist())) == 1
    # Whatever part of a result was written before the run was killed, the next one adds the rest and no more.
    for part in range(4):
        rest, _ = new_rows(found, fingerprints(found, config), rows[:part], DUPLICATES.empty_table())
        assert rest == rows[part:]


def test_a_damaged_video_cannot_be_cut_and_stays_one_clip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    assert shots(str(tmp_path / "a.mp4"), IngestConfig(shots="adaptive")) == []
