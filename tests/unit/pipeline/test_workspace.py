import errno
import os
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import CallError, RunError
from pipeline.identity import Role, Setting
from pipeline.schema import CLIPS, TABLES, empty_row
from pipeline.workspace import Workspace, normal, split_options
from tests import objectstore
from tests.disk import recorded
from tests.objectstore import BUCKET


def row(clip_id: str, uri: str = "/a.mp4") -> dict[str, object]:
    return empty_row("clips") | {"clip_id": clip_id, "uri": uri}


def test_an_empty_workspace_has_empty_tables_of_the_right_columns(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path / "new"))
    assert not workspace.exists()
    for name, schema in TABLES.items():
        assert workspace.read(name).schema == schema
        assert workspace.read(name).num_rows == 0


def test_rows_come_back_in_order_of_their_id(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("b", "/ü\n'.mp4"), row("c")])
    workspace.append("clips", [row("a")])
    table = workspace.read("clips")
    assert table["clip_id"].to_pylist() == ["a", "b", "c"]
    assert table["uri"].to_pylist()[1] == "/ü\n'.mp4"
    assert workspace.ids("clips") == {"a", "b", "c"}
    assert workspace.read("clips", ["uri"]).column_names == ["uri"]


def test_writing_the_same_rows_twice_is_writing_them_once(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    for _ in range(2):
        workspace.append("clips", [row("a"), row("b")])
    assert workspace.read("clips").num_rows == 2


def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("a")])
    (tmp_path / "clips" / "0123.parquet.abcd.tmp").write_bytes(b"PAR1 half")
    assert workspace.read("clips").num_rows == 1


def test_any_reader_of_parquet_can_read_a_table_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("a")])
    seen: list[pa.Table] = []
    published = Path.replace

    def replace(draft: Path, target: str) -> Path:
        seen.append(pq.read_table(tmp_path / "clips"))  # the draft lies beside what is read
        return published(draft, target)

    monkeypatch.setattr(Path, "replace", replace)
    workspace.append("clips", [row("b")])
    assert [table["clip_id"].to_pylist() for table in seen] == [["a"]]
    assert sorted(pq.read_table(tmp_path / "clips")["clip_id"].to_pylist()) == ["a", "b"]


def test_what_is_written_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace
    with recorded(monkeypatch) as synced:

        def replaced(draft: Path, target: str) -> Path:
            assert draft.stat().st_ino in synced
            synced.clear()
            return replace(draft, target)

        monkeypatch.setattr(Path, "replace", replaced)
        Workspace(str(tmp_path)).append("clips", [row("a")])
        assert synced == {(tmp_path / "clips").stat().st_ino}


@pytest.mark.parametrize(("code", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_file_systems_that_sync_no_folders_do_but_a_failing_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, raises: bool
) -> None:
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match=os.strerror(code)) if raises else nullcontext():
        Workspace(str(tmp_path)).append("clips", [row("a")])


@pytest.mark.parametrize(
    ("uri", "place", "options"),
    [
        (
            "s3://b/a b/W?endpoint_override=h:9&scheme=http",
            "s3://b/a b/W",
            "?endpoint_override=h:9&scheme=http",
        ),
        ("s3://b?endpoint_override=h:9/W?/x", "s3://b/W?/x", "?endpoint_override=h:9"),
        (
            "s3://b/W/?allow_bucket_creation=true&region=x",
            "s3://b/W/",
            "?allow_bucket_creation=true&region=x",
        ),
        ("s3://b/W?tls_ca_file_path=/etc/ca", "s3://b/W", "?tls_ca_file_path=/etc/ca"),
        ("s3://b/x.tar::a.mp4?region=x", "s3://b/x.tar::a.mp4", "?region=x"),
        ("s3://b?region=x", "s3://b", "?region=x"),
        ("gs://b/W?retry_limit_seconds=5", "gs://b/W", "?retry_limit_seconds=5"),
        ("s3://b/watch?v=1.mp4", "s3://b/watch?v=1.mp4", ""),
        ("s3://b/a?b/c?region=x", "s3://b/a?b/c", "?region=x"),
        ("/disk/a?region=x", "/disk/a?region=x", ""),
        ("https://host/a.mp4?region=x", "https://host/a.mp4?region=x", ""),
    ],
)
def test_the_options_of_a_store_are_told_from_names(uri: str, place: str, options: str) -> None:
    assert split_options(uri) == (place, options)
    assert split_options(f"{normal(uri)}/x y") == (f"{place}/x y", options.replace("/", "%2F"))


def test_a_workspace_may_name_its_store_and_have_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    with objectstore.serving() as s3:
        endpoint = s3.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        workspace = Workspace(f"s3://{BUCKET}/a W/?scheme=http&endpoint_override={endpoint}")
        workspace.append("clips", [row("a")])
        assert Workspace(workspace.root).ids("clips") == {"a"}
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{endpoint}")
        assert Workspace(f"s3://{BUCKET}/a W").ids("clips") == {"a"}


def test_a_damaged_table_is_told_in_one_line(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("a")])
    next((tmp_path / "clips").glob("*.parquet")).write_bytes(b"not parquet at all")
    with pytest.raises(RunError, match=r"clips.*damaged") as caught:
        workspace.read("clips")
    assert "\n" not in str(caught.value)


def settings(values: dict[str, Any]) -> list[Setting]:
    return [Setting(name, value, value, "", Role.IDENTITY) for name, value in values.items()]


def test_a_table_is_bound_to_the_settings_of_its_rows(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.claim(
        "scores", settings({"decode.fps": 2, "flow.backend": "raft"})
    )  # of a run that made no row
    workspace.claim("scores", settings({"decode.fps": 8, "flow.backend": "dis"}))
    workspace.append("scores", [empty_row("scores") | {"clip_id": "a"}])
    workspace.claim("scores", settings({"decode.fps": 8, "flow.backend": "dis"}))
    with pytest.raises(CallError, match=r"decode\.fps was 8, is now 4") as caught:
        workspace.claim("scores", settings({"decode.fps": 4, "flow.backend": "dis"}))
    assert "flow" not in str(caught.value)
    assert "--restart" in str(caught.value)
    workspace.clear(["scores"])
    workspace.claim("scores", settings({"decode.fps": 4, "flow.backend": "dis"}))


def test_a_workspace_without_bound_tables_has_no_record_of_settings(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.claim("scores", settings({"decode.fps": 8}))
    workspace.append("scores", [empty_row("scores") | {"clip_id": "a"}])
    assert workspace.changed("scores", settings({"decode.fps": 8})) == []
    assert workspace.changed("scores", settings({"decode.fps": 4})) == ["decode.fps was 8, is now 4"]
    workspace.clear(["scores"])
    assert not list(tmp_path.iterdir())


def test_a_setting_that_came_later_stands_at_its_default_in_older_tables(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.claim("scores", settings({"decode.fps": 8, "old.setting": 1}))
    workspace.append("scores", [empty_row("scores") | {"clip_id": "a"}])
    workspace.claim("scores", [*settings({"decode.fps": 8}), Setting("new.one", 5, 5, "", Role.IDENTITY)])
    with pytest.raises(CallError, match=r"new\.one was 5, is now 6"):
        workspace.claim("scores", [*settings({"decode.fps": 8}), Setting("new.one", 6, 5, "", Role.IDENTITY)])


def test_a_fact_that_changed_is_told_once_and_its_table_goes_on(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    assert workspace.record("annotations", {"endpoint": "a", "version": "1"}) == []
    (told,) = workspace.record("annotations", {"endpoint": "b", "version": "1"})
    assert told.startswith("endpoint was a, is now b")
    assert workspace.record("annotations", {"endpoint": "b", "version": "1"}) == []
    workspace.clear(["annotations"])
    assert workspace.record("annotations", {"endpoint": "c", "version": "1"}) == []


def test_a_clip_that_was_written_twice_has_one_row(tmp_path: Path) -> None:
    """As when a worker that was thought dead writes its block after another cut it anew."""
    workspace = Workspace(str(tmp_path))
    for ids in ("abc", "cd", "b", "e"):
        workspace.append("scores", [empty_row("scores") | {"clip_id": one, "pan": 1.0} for one in ids])
    assert workspace.read("scores")["clip_id"].to_pylist() == list("abcde")
    assert workspace.read("scores", ["pan"]).to_pydict() == {"pan": [1.0] * 5}
    assert workspace.ids("scores") == set("abcde")


def test_a_block_knows_whether_it_was_appended_in_any_order_of_its_rows(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    block = [empty_row("scores") | {"clip_id": one} for one in "ab"]
    assert workspace.appended("scores", block) is None
    workspace.append("scores", block)
    assert workspace.appended("scores", block[::-1]) == block
    assert workspace.appended("scores", block[:1]) is None


def test_half_written_files_are_swept_away_and_nothing_else(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("a")])
    for name in ("clips/0123.parquet.abcd.tmp", "clips/.0124.parquet.abcd.tmp", "config.json.abcd.tmp"):
        (tmp_path / name).write_bytes(b"half")
    workspace.sweep()
    assert [path.name for path in tmp_path.rglob("*") if path.suffix == ".tmp"] == []
    assert workspace.ids("clips") == {"a"}


def test_an_address_that_no_store_has_is_a_wrong_call() -> None:
    with pytest.raises(CallError, match="nonsense://bucket"):
        Workspace("nonsense://bucket/W")


def test_clearing_takes_only_the_named_tables(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("a")])
    workspace.append("scores", [empty_row("scores") | {"clip_id": "a"}])
    workspace.clear(["scores", "annotations"])
    assert workspace.ids("clips") == {"a"}
    assert workspace.ids("scores") == set()


def test_a_place_that_cannot_be_written_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CallError, match="cannot write"):
        Workspace(str(tmp_path / "file" / "inside")).create()


def test_any_parquet_reader_reads_a_table(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    workspace.append("clips", [row("a")])
    assert pq.read_table(tmp_path / "clips").schema.equals(CLIPS)
    assert isinstance(workspace.read("clips"), pa.Table)
