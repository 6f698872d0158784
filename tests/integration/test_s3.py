"""Clips, workspace and dataset in an S3 store: moto's server, reached as a real one is."""

import io
import json
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.workspace import Workspace
from tests import objectstore, videos
from tests.counted import begin, begun, finish
from tests.objectstore import BUCKET, S3

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NAMES = ("a.mp4", "with space & ünïcødé 动作.mp4", "deep/er/b#1%20.mp4")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with objectstore.serving() as server:
        yield server


def put(s3: S3, key: str, content: bytes) -> None:
    s3.client().put_object(Bucket=BUCKET, Key=key, Body=content)


def test_everything_may_live_in_the_store(s3: S3, tmp_path: Path) -> None:
    for k, name in enumerate(NAMES):
        put(s3, f"in/{name}", videos.write(tmp_path / "clip.mp4", 24, pan=0.1 + 0.05 * k).read_bytes())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for k in range(2):
            tar.add(videos.write(tmp_path / f"{k}.mp4", 24, pan=0.3 + 0.05 * k), f"{k}.mp4")
    put(s3, "in/shard.tar", packed.getvalue())
    put(s3, "in/broken.mp4", b"no video")

    root = f"s3://{BUCKET}/some/W"
    call = ("distill", "--input", f"s3://{BUCKET}/in", "--output", root, "--set", "max_failed_share=0.2")
    told = finish(tmp_path / "count", *call)
    assert "Traceback" not in told
    workspace = Workspace(root)
    uris = {row["clip_id"]: row["uri"] for row in workspace.read("clips").to_pylist()}
    members = [f"shard.tar::{k}.mp4" for k in range(2)]
    given = {f"s3://{BUCKET}/in/{name}" for name in (*NAMES, *members, "broken.mp4")}
    assert set(uris.values()) == given
    errors = {uris[row["clip_id"]]: row["error"] for row in workspace.read("scores").to_pylist()}
    assert {uri: error for uri, error in errors.items() if error} == {
        f"s3://{BUCKET}/in/broken.mp4": "not_a_video"
    }
    assert workspace.read("annotations").num_rows == 5
    manifest = json.loads(workspace.read_bytes("dataset", "manifest.json") or b"")
    published = {key.removeprefix("some/W/dataset/") for key in s3.keys("some/W/dataset/")}
    assert {file["path"] for file in manifest["files"]} <= published
    assert manifest["rows"]["sft"]["train"] + manifest["rows"]["dpo"]["train"] > 0
    for file in manifest["files"]:
        if file["path"].endswith(".parquet"):
            data = workspace.read_bytes("dataset", file["path"])
            assert pq.read_table(io.BytesIO(data or b"")).num_rows == file["rows"]
    assert ".lock.json" not in {Path(key).name for key in s3.keys("some/W")}
    (entry,) = json.loads(workspace.read_bytes("run.json") or b"")
    assert entry["stages"]["score"]["errors"] == {"not_a_video": 1}

    again = finish(tmp_path / "count", *call)
    assert again.count("nothing to do") >= 3


@pytest.mark.long
def test_a_store_that_vanishes_ends_the_run_in_one_line_and_costs_no_clip(s3: S3, tmp_path: Path) -> None:
    clip = videos.write(tmp_path / "clip.mp4", 24).read_bytes()
    for k in range(24):
        put(s3, f"many/{k:03d}.mp4", clip + b"%03d" % k)
    root, count = f"s3://{BUCKET}/vanishing", tmp_path / "count"
    finish(count, "ingest", "--input", f"s3://{BUCKET}/many/*.mp4", "--output", root)
    run = begin(count, "score", "--output", root)
    while not s3.keys("vanishing/scores/"):
        time.sleep(0.05)
    s3.stop()
    try:
        _, told = run.communicate(timeout=120)
    finally:
        s3.start_again()
    assert run.returncode == 1, told
    (line,) = [line for line in told.splitlines() if line.startswith("error:")]
    assert "NETWORK_CONNECTION" in line
    assert "Traceback" not in told
    done = Workspace(root).read("scores")
    assert 0 < done.num_rows < 24

    finish(count, "score", "--output", root)
    scores = Workspace(root).read("scores")
    assert scores.num_rows == 24
    assert set(scores["error"].to_pylist()) == {None}
    assert max(Counter(begun(count)).values()) <= 2


def test_a_bucket_that_is_not_there_is_a_wrong_call(s3: S3, tmp_path: Path) -> None:
    run = begin(tmp_path / "count", "score", "--output", "s3://no-such-bucket/W")
    _, told = run.communicate(timeout=60)
    assert run.returncode == 2
    assert told.startswith("error: ")
    assert "no-such-bucket" in told
    assert len(told.splitlines()) == 1
