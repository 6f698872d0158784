from itertools import product
from pathlib import Path

import pyarrow as pa
import pytest

from stages.ingest.find import find
from stages.ingest.settings import IngestConfig
from stages.ingest.video_ids import lumps

CONFIG = IngestConfig()


def ids(
    root: Path, *paths: str, config: IngestConfig = CONFIG, known: pa.Table | None = None
) -> dict[str, str]:
    """The video_id of each of these files, once all of them are there."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    found = find(str(root), config, known=known).to_pylist()
    return {str(Path(row["uri"]).relative_to(root)): row["video_id"] for row in found}


@pytest.mark.parametrize("scenes", [2, 5, 40])
def test_scenes_whose_files_have_the_same_names_are_videos_of_their_own(tmp_path: Path, scenes: int) -> None:
    paths = [f"scene_{k:03}/{view}/video.mp4" for k, view in product(range(scenes), ("rgb", "depth"))]
    found = ids(tmp_path, *paths)
    assert len(set(found.values())) == scenes
    for k in range(scenes):  # the views of a scene stay together
        assert found[f"scene_{k:03}/rgb/video.mp4"] == found[f"scene_{k:03}/depth/video.mp4"]


@pytest.mark.parametrize("view", ["rgb", "camera 1"])
def test_scenes_in_parts_of_a_dataset_are_told_apart_as_well(tmp_path: Path, view: str) -> None:
    paths = [f"{part}/{part}-{k}/{view}/out.mkv" for part, k in product(("train", "val"), range(6))]
    assert len(set(ids(tmp_path, *paths).values())) == 12
    assert len(set(ids(tmp_path, *paths, config=IngestConfig(source="mine")).values())) == 12


def test_pieces_stay_together_in_their_scene(tmp_path: Path) -> None:
    paths = [f"{k}/rgb/video_{k:03}{n:03}_000{n:03}.mp4" for k, n in product(range(12), range(3))]
    found = ids(tmp_path, *paths)
    assert len(set(found.values())) == 12
    assert len({found[path] for path in paths[:3]}) == 1


def test_versions_and_pieces_of_one_video_stay_together_in_different_folders(tmp_path: Path) -> None:
    versions = [f"{size}/clips/video_{k}.mp4" for k, size in product(range(20), ("480p", "720p"))]
    found = ids(tmp_path / "a", *versions)
    assert found["480p/clips/video_3.mp4"] == found["720p/clips/video_3.mp4"] == "clips/video_3"
    pieces = [f"{k % 2}/clips/v{k % 20}_{k:06}_{k:06}.mp4" for k in range(60)]
    assert len(set(ids(tmp_path / "b", *pieces).values())) == 20


def test_a_folder_whose_clips_have_their_ids_keeps_them(tmp_path: Path) -> None:
    paths = [f"{k}/rgb/video.mp4" for k in range(12)]
    known = pa.table({"uri": [str(tmp_path / paths[0])], "video_id": ["rgb/video"]})
    found = ids(tmp_path, *paths, known=known)
    assert found[paths[0]] == "rgb/video"
    assert found[paths[1]] == "1/video"


def test_pieces_that_come_later_have_the_id_of_their_video(tmp_path: Path) -> None:
    """Otherwise the two would be told apart by other folders, or not at all, and be in two splits."""
    paths = [f"{k}/rgb/video.mp4" for k in range(12)]
    first = ids(tmp_path / "in", *paths)
    uris = [f"{tmp_path}/in/{path}" for path in first]
    known = pa.table({"uri": uris, "video_id": list(first.values())})
    (tmp_path / "list.csv").write_text("uri,start_s,end_s\nin/3/rgb/video.mp4,1,2\n")
    (piece,) = find(str(tmp_path / "list.csv"), CONFIG, known=known).to_pylist()
    assert piece["video_id"] == first["3/rgb/video.mp4"] == "3/video"
    more = [f"other/{k}/in/{j}/rgb/video.mp4" for k in range(12) for j in range(12)]
    again = ids(tmp_path, *more, "in/3/rgb/video_000001_000002.mp4", "in/12/rgb/video.mp4", known=known)
    assert {path: again[f"in/{path}"] for path in paths} == first
    assert again["in/3/rgb/video_000001_000002.mp4"] == "3/video"
    assert again["in/12/rgb/video.mp4"] not in first.values()


def test_given_ids_are_left_alone(tmp_path: Path) -> None:
    rows = "".join(f"{k}/rgb/video.mp4,same\n" for k in range(12))
    (tmp_path / "list.csv").write_text(f"uri,video_id\n{rows}")
    assert set(find(str(tmp_path / "list.csv"), CONFIG)["video_id"].to_pylist()) == {"same"}


def test_a_video_with_more_than_a_tenth_of_the_clips_is_told() -> None:
    told = lumps(pa.chunked_array([["a"] * 11 + [f"b{k}" for k in range(89)]]))
    assert [sentence.partition(" and")[0] for sentence in told] == ["11 of 100 clips have the video_id 'a'"]
    assert lumps(pa.chunked_array([["a"] * 10 + [f"b{k}" for k in range(90)]])) == []
    assert lumps(pa.chunked_array([["a", "b"]])) == []
    assert lumps(pa.chunked_array([], pa.string())) == []


@pytest.mark.parametrize("pattern", ["", "/", "/*.mp4", "/*/*.mp4", "/**/*.mp4", "/list.csv", "/a.mp4"])
def test_the_same_files_in_another_folder_have_the_same_ids(tmp_path: Path, pattern: str) -> None:
    ids = []
    for folder in ("clips", "clips 2 (new)"):
        root = tmp_path / folder
        for path in ("a.mp4", "b_000100_000110.mp4", "more/a.mp4", "more/c.mp4"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        if pattern == "/list.csv":
            (root / "list.csv").write_text("uri\na.mp4\nmore/c.mp4\n")
        found = find(f"{root}{pattern}", CONFIG).to_pylist()
        ids.append({row["uri"].removeprefix(str(root)): row["video_id"] for row in found})
    assert ids[0] == ids[1]
    assert ids[0].get("/a.mp4", "a") == "a"
    assert ids[0].get("/more/c.mp4", "more/c") == "more/c"


def test_a_source_that_is_named_stays_in_the_ids(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    named = IngestConfig(source=tmp_path.name)
    assert find(str(tmp_path), named)["video_id"].to_pylist() == [f"{tmp_path.name}/a"]


def test_a_workspace_made_before_keeps_its_ids(tmp_path: Path) -> None:
    for name in ("a_000100_000110", "a_000110_000120", "b"):
        (tmp_path / f"{name}.mp4").touch()
    known = pa.table({"uri": [str(tmp_path / "a_000100_000110.mp4")], "video_id": ["clips/a"]})
    found = find(str(tmp_path), CONFIG, known=known).to_pylist()
    assert sorted(row["video_id"] for row in found) == ["b", "clips/a", "clips/a"]
