import os
from pathlib import Path

import fsspec
import pytest

from pipeline.errors import CallError
from stages.ingest.find import find
from stages.ingest.settings import IngestConfig

CONFIG = IngestConfig()


def listed(folder: Path) -> tuple[list[str], list[str]]:
    """The files that a folder gives, and what is said of the others."""
    told: list[str] = []
    found = find(str(folder), CONFIG, note=told.append)
    return sorted(os.path.relpath(uri, folder) for uri in found["uri"].to_pylist()), told


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_what_is_ignored_is_counted_by_its_suffix(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4", "b.jpg", "x/c.JPG", "d.txt", "e", "f.\x1b[31m")
    assert listed(tmp_path) == (["a.mp4"], ["left out, no video by its name: 5 (.jpg 2, others 2, .txt 1)"])
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(CallError, match=r"no clips .*left out, .*: 5 \(\.jpg 2"):
        listed(tmp_path)


def test_files_of_the_system_and_unfinished_ones_are_left_out(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("a.mp4", "._a.mp4", "@eaDir/a.mp4/thumb.mp4", ".Trash-1000/files/b.mp4", "x/.Trashes/c.mp4"),
        *("d.mp4.part", "e.webm.crdownload", "f.mp4.tmp", "g.temp.mp4", "h.mp4", "h.mp4.part", "...mp4"),
    )
    files, told = listed(tmp_path)
    assert files == ["...mp4", "a.mp4"]
    assert told == [
        "left out, kept by the system: 4 (.Trash* 2, ._* 1, @eaDir 1)",
        "left out, still being written: 6 (.part 2, .crdownload 1, .mp4 1, .temp 1, .tmp 1)",
    ]


def test_linked_folders_are_followed_once_and_loops_are_found(tmp_path: Path) -> None:
    make(tmp_path / "outside", "deep/o.mp4")
    root = tmp_path / "in"
    make(root, "x/a.mp4")
    (root / "back").symlink_to(root)
    (root / "x" / "up").symlink_to("..")
    (root / "b to x").symlink_to(root / "x")
    (root / "far").symlink_to(tmp_path / "outside")
    (root / "far again").symlink_to(tmp_path / "outside" / "deep")
    (root / "above").symlink_to(tmp_path)
    (tmp_path / "outside" / "home").symlink_to(root)
    (root / "file.mp4").symlink_to(root / "x" / "a.mp4")
    (root / "gone.mp4").symlink_to("nowhere")
    (root / "self.mp4").symlink_to("self.mp4")
    files, told = listed(root)
    assert files == ["far/deep/o.mp4", "file.mp4", "gone.mp4", "self.mp4", "x/a.mp4"]
    assert told == [
        "left out, a link to a folder that is listed already: 6 ('above' 1, 'b to x' 1, 'back' 1,"
        " 'far again' 1, 'home' 1, 'up' 1)"
    ]


def test_devices_pipes_and_unreadable_folders_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.mp4", "locked/b.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.tar")
    scan = os.scandir

    def guarded(path: str) -> object:
        if path.endswith("locked"):  # the tests may run as root, for whom nothing is locked
            raise PermissionError(13, "denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert listed(tmp_path) == (
        ["a.mp4"],
        [
            "left out, a device, pipe or socket: 2 (.mp4 1, .tar 1)",
            "left out, a folder that cannot be read: 1 ('locked' 1)",
        ],
    )
    with pytest.raises(CallError, match="neither a file nor a folder"):
        find(str(tmp_path / "pipe.tar"), CONFIG)


def test_a_name_that_cannot_be_stored_costs_itself(tmp_path: Path) -> None:
    make(tmp_path, "a.mp4")
    name = os.fsdecode(bytes(tmp_path) + b"/b\xff.mp4")
    Path(name).touch()
    files, told = listed(tmp_path)
    assert files == ["a.mp4"]
    assert told == ["left out, a name that is not valid UTF-8: 1 ('b\\udcff.mp4' 1)"]
    assert find(f"{tmp_path}/*.mp4", CONFIG).num_rows == 1
    with pytest.raises(CallError, match="not valid UTF-8"):
        find(name, CONFIG)


@pytest.mark.parametrize(
    "suffix", ["mp4", "M2T", "mxf", "rmvb", "h265", "obu", "dvr-ms", "ogm", "vro", "264", "qt"]
)
def test_whatever_ffmpeg_takes_for_a_video_is_one(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, f"a.{suffix}")
    assert listed(tmp_path) == ([f"a.{suffix}"], [])


def test_a_folder_in_a_store_is_listed_as_a_local_one_is() -> None:
    store = fsspec.filesystem("memory")
    for name in ("a.mp4", "b.mp4.part", "@eaDir/c.mp4", "d.jpg", "e.csv", "f.tar"):
        store.pipe_file(f"/listed/{name}", b"")
    told: list[str] = []
    found = find("memory://listed", CONFIG, note=told.append)
    assert sorted(found["uri"].to_pylist()) == [
        "memory:///listed/a.mp4",
        "memory:///listed/f.tar::(what cannot be read)",
    ]
    assert told == [
        "damaged tar, whose unreadable rest becomes one clip that fails: 1 ('f.tar' 1)",
        "left out, kept by the system: 1 (@eaDir 1)",
        "left out, no video by its name: 2 (.csv 1, .jpg 1)",
        "left out, still being written: 1 (.part 1)",
    ]


@pytest.mark.parametrize("below", ["", "W/", "a/W/"])
def test_the_dataset_of_a_workspace_in_the_input_is_no_input(tmp_path: Path, below: str) -> None:
    make(
        tmp_path,
        "one.mp4",
        *(f"{below}{name}" for name in ("clips/two.mp4", "dataset/sft/a.mp4", "run.json")),
    )
    files, told = listed(tmp_path)
    assert files == [f"{below}clips/two.mp4", "one.mp4"]
    assert any(sentence.startswith("left out, the dataset of a workspace: 1") for sentence in told)


def test_a_folder_that_is_called_dataset_is_one_like_others(tmp_path: Path) -> None:
    make(tmp_path, "clips/one.mp4", "dataset/two.mp4")
    assert listed(tmp_path)[0] == ["clips/one.mp4", "dataset/two.mp4"]
