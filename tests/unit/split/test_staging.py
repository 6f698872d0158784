"""A dataset in an object store: the old one or the new one can be read, whatever stops a publication."""

import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from stages.split import staging
from stages.split.compare import published
from stages.split.publish import publish, recover
from tests import objectstore
from tests.objectstore import BUCKET, S3
from tests.plans import a_plan, bytes_of


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with objectstore.serving() as server:
        yield server


def content(s3: S3, name: str) -> dict[str, bytes]:
    """All files of the dataset, by their paths in it."""
    keys = [key for key in s3.keys(f"{name}/") if not key.endswith("/")]
    return {key.removeprefix(f"{name}/"): s3.get(key) for key in keys}


def readable(s3: S3, name: str) -> dict[str, str]:
    """The checksums of the files, by the paths they are to have, if all are as the manifest says."""
    files = json.loads(s3.get(f"{name}/manifest.json"))["files"]
    for file in files:
        data = s3.get(f"{name}/{file['path']}")
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"]), file
    return {file["path"].removeprefix(".new/"): file["sha256"] for file in files}


def by_card(s3: S3, name: str) -> list[str]:
    """The ids of all rows that `datasets.load_dataset` reads: those in the files that the card names."""
    header = yaml.safe_load(s3.get(f"{name}/README.md").decode().split("---\n")[1])
    ids: list[str] = []
    for part in (part for config in header["configs"] for part in config["data_files"]):
        patterns = [part["path"]] if isinstance(part["path"], str) else part["path"]
        files = {key for key in content(s3, name) for pattern in patterns if fnmatchcase(key, pattern)}
        assert files
        for file in files:
            ids += pq.read_table(io.BytesIO(s3.get(f"{name}/{file}")))[0].to_pylist()
    return sorted(ids)


def test_a_dataset_in_a_store_is_the_one_on_a_disk(s3: S3, videos: Path, tmp_path: Path) -> None:
    for count in (6, 5, 7):  # with files that are new, that change and that go
        plan, config = a_plan(videos, count, hashed=True)
        publish(plan, f"s3://{BUCKET}/same", config)
        publish(plan, str(tmp_path / "same"), config)
        assert content(s3, "same") == bytes_of(tmp_path / "same")


def test_a_store_keeps_no_file_of_a_format_that_is_no_longer_written(s3: S3, videos: Path) -> None:
    for chosen in (None, ["trl"]):
        plan, config = a_plan(videos, 4, hashed=True, formats=chosen)
        manifest = publish(plan, f"s3://{BUCKET}/formats", config)
    there = content(s3, "formats").keys()
    assert there == {"manifest.json"} | {file["path"] for file in manifest["files"]}
    assert not any(path.startswith("llava/") for path in there)


@pytest.mark.slow
def test_whichever_request_is_the_last_the_old_dataset_or_the_new_one_can_be_read(
    s3: S3, videos: Path
) -> None:
    small: dict[str, Any] = {"formats": [], "shares": {"train": 1, "validation": 0, "test": 0}}
    plans = [a_plan(videos, count, hashed=True, rows_per_shard=3, **small) for count in (2, 3)]
    for (plan, config), name in zip(plans, ("old", "new"), strict=True):
        publish(plan, f"s3://{BUCKET}/{name}", config)
    old, new = (readable(s3, name) for name in ("old", "new"))
    assert any(old[path] != new[path] for path in old.keys() & new.keys())
    assert old.keys() - new.keys()
    whole, seen = content(s3, "new"), set()
    plan, config = plans[1]
    for count in itertools.count():
        name = f"stopped-{count}"
        for path, data in content(s3, "old").items():
            s3.client().put_object(Bucket=BUCKET, Key=f"{name}/{path}", Body=data)
        try:
            with s3.answering(count):
                publish(plan, f"s3://{BUCKET}/{name}", config)
        except OSError:
            stopped = True
        else:
            stopped = False
        found = readable(s3, name)
        assert found in (old, new)
        seen.add(found == new)
        assert stopped or found == new
        assert by_card(s3, name) in [by_card(s3, whole) for whole in ("old", "new")]
        _, rows = published(f"s3://{BUCKET}/{name}")  # as it is read for comparisons
        assert rows.num_rows
        if not stopped or count % 5 == 0:  # not always, as it takes as long again
            publish(plan, f"s3://{BUCKET}/{name}", config)
            assert content(s3, name) == whole
        if not stopped:
            break
    assert seen == {False, True}
    assert count > 20


def test_what_was_replaced_but_not_settled_is_settled_without_the_videos(
    s3: S3, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, config = a_plan(videos, 4)
    with monkeypatch.context() as patched:
        patched.setattr(staging.StoredDataset, "_finish", lambda *_: None)
        publish(plan, f"s3://{BUCKET}/unsettled", config)
    assert all(path.startswith(".new/") for path in content(s3, "unsettled").keys() - {"manifest.json"})
    recover(f"s3://{BUCKET}/unsettled")
    publish(plan, f"s3://{BUCKET}/settled", config)
    assert content(s3, "unsettled") == content(s3, "settled")


def test_objects_too_large_for_one_request_are_copied_piece_by_piece(
    s3: S3, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, config = a_plan(videos, 3)
    monkeypatch.setattr(staging, "COPY_MAX", 1000)
    monkeypatch.setattr(staging, "PIECE", 999)
    publish(plan, f"s3://{BUCKET}/large", config)
    readable(s3, "large")


def test_names_with_spaces_and_options_in_the_uri_are_understood(
    s3: S3, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = s3.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    plan, config = a_plan(videos, 3)
    folder = f"s3://{BUCKET}/a space/ü & 1%20?scheme=http&endpoint_override={endpoint}"
    publish(plan, folder, config)
    manifest, rows = published(folder)
    assert manifest["rows"]["sft"]["train"]
    assert rows.num_rows
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{endpoint}")
    assert readable(s3, "a space/ü & 1%20")
