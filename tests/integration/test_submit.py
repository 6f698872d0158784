"""Wrong calls of `motionsight submit`, and the manifests of clusters. Jobs run in test_cluster.py."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from typer.testing import CliRunner

from configs.settings import load
from jobs.commands import app
from jobs.submit import Submission, entrypoint, read_environment, read_resources, run, submission
from pipeline.errors import CallError, RunError
from pipeline.pool import MOST_WORKERS

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "configs" / "cluster"
NOBODY = "http://127.0.0.1:9"


def test_a_cluster_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(RunError, match=r"no Ray job server at http://127\.0\.0\.1:9") as caught:
        run(["score", "--output", "W"], Submission(), NOBODY, True, None)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [[], ["submit", "score"]])
def test_something_has_to_be_submitted(words: list[str]) -> None:
    with pytest.raises(CallError, match="which command"):
        run(words, Submission(), NOBODY, True, None)  # type: ignore[arg-type]


def test_a_working_folder_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="is no folder"):
        run(["score"], Submission(working_dir=str(tmp_path / "x")), NOBODY, True, None)  # type: ignore[arg-type]


def test_an_environment_is_yaml_a_file_and_variables(tmp_path: Path) -> None:
    (tmp_path / "env.yaml").write_text("pip: [s3fs]\nenv_vars: {A: '1'}\n")
    assert read_environment("{pip: [s3fs]}", [], {}) == {"pip": ["s3fs"]}
    assert read_environment(str(tmp_path / "env.yaml"), ["B=x=y", "C"], {"C": "ü"}) == {
        "pip": ["s3fs"],
        "env_vars": {"A": "1", "B": "x=y", "C": "ü"},
    }
    assert read_environment(None, [], {}) == {}


@pytest.mark.parametrize(
    ("given", "variables", "told"),
    [
        ("nowhere.yaml", [], "nowhere.yaml.*No such file"),
        ("{pip: [", [], "cannot be read"),
        (None, ["MISSING"], "--env MISSING: no such variable here"),
    ],
)
def test_an_environment_that_cannot_be_read_is_refused(
    given: str | None, variables: list[str], told: str
) -> None:
    with pytest.raises(CallError, match=told):
        read_environment(given, variables, {})


def test_resources_are_names_and_amounts() -> None:
    assert read_resources(["a=1", "b=0.5"]) == {"a": 1.0, "b": 0.5}
    with pytest.raises(CallError, match="expected NAME=AMOUNT"):
        read_resources(["a"])
    with pytest.raises(CallError, match="num_cpus"):
        submission(num_cpus=-1)


@pytest.mark.parametrize("checkout", [False, True])
def test_a_job_runs_this_package_whatever_the_working_folder_holds(tmp_path: Path, checkout: bool) -> None:
    """As Ray would start it: `python` and `motionsight` on the PATH, and a checkout first on PYTHONPATH."""
    for name in ("configs", "jobs", "stages"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('another package')")
    command = entrypoint(["doctor", "--set", "quality.metric=null"], str(ROOT) if checkout else None)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    job = subprocess.run(
        command,
        shell=True,
        cwd=ROOT if checkout else tmp_path,
        env=environment | ({"PYTHONPATH": str(ROOT)} if checkout else {}),
        capture_output=True,
        text=True,
    )
    assert job.returncode == 0, job.stderr
    assert "nothing is missing" in job.stdout


def test_a_folder_sent_along_is_run_only_if_it_is_a_checkout(tmp_path: Path) -> None:
    words = ["score", "--output", "a b"]
    assert entrypoint(words, None) == entrypoint(words, str(tmp_path)) == "motionsight score --output 'a b'"
    module = "python -m jobs.cli score --output 'a b'"
    assert entrypoint(words, str(ROOT)) == entrypoint(words, "s3://bucket/checkout.zip") == module


@pytest.mark.parametrize("there", [True, False])
def test_a_python_that_is_named_runs_the_job_where_it_is(tmp_path: Path, there: bool) -> None:
    named = tmp_path / "it's" / "python"
    for path, says in ((named.parent, "named"), (tmp_path / "other", "other")):
        path.mkdir()
        (path / "motionsight").write_text(f"#!/bin/sh\necho {says} $*\n")
        (path / "motionsight").chmod(0o755 if there or path != named.parent else 0o644)
    job = subprocess.run(
        entrypoint(["score", "--output", "a b"], None, str(named)),
        shell=True,
        env={"PATH": f"{tmp_path / 'other'}:{os.defpath}"},
        capture_output=True,
        text=True,
    )
    assert job.stdout == f"{'named' if there else 'other'} score --output a b\n"


def test_the_options_of_the_command_are_its_own() -> None:
    called = CliRunner().invoke(
        app, ["submit", "--address", NOBODY, "score", "--output", "W", "--set", "a.b=c"]
    )
    assert isinstance(called.exception, RunError)  # it got as far as looking for the cluster


def test_the_cluster_is_one_by_rays_own_schema() -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    cluster = yaml.safe_load((CLUSTER / "ray.yaml").read_text())
    jsonschema.validate(cluster, schema)
    assert cluster["head_node_type"] in cluster["available_node_types"]
    workers = [kind for name, kind in cluster["available_node_types"].items() if name != "head"]
    assert sum(kind["max_workers"] for kind in workers) <= cluster["max_workers"]
    score = cluster["available_node_types"]["score"]
    # Or Ray would start GPU nodes for the rest of what a run requests.
    assert score["max_workers"] * score["resources"]["CPU"] >= MOST_WORKERS
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster | {"max_workers": "many"}, schema)


def test_the_kuberay_job_has_the_parts_that_the_operator_wants() -> None:
    """By its documentation: no package ships KubeRay's schema, and there is no operator here to ask."""
    job = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    cluster = spec["rayClusterSpec"]
    assert cluster["enableInTreeAutoscaling"] is True
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text().splitlines()
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    assert set(groups) == {"score", "annotate"}
    for group in groups.values():
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    every = [cluster["headGroupSpec"], *groups.values()]
    for group in every:
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == every[0]["template"]["spec"]["containers"][0]["image"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())

    def gpus(group: dict[str, Any]) -> int:
        return int(group["template"]["spec"]["containers"][0]["resources"]["limits"].get("nvidia.com/gpu", 0))

    (container,) = groups["score"]["template"]["spec"]["containers"]
    assert groups["score"]["maxReplicas"] * int(container["resources"]["limits"]["cpu"]) >= MOST_WORKERS
    assert gpus(groups["score"]) == 0 < gpus(groups["annotate"])


def test_the_kuberay_jobs_command_is_a_right_one() -> None:
    entrypoint = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())["spec"]["entrypoint"]
    command = shlex.split(entrypoint)
    assert command[:2] == ["motionsight", "distill"]
    assert load(command[command.index("--config") + 1])
    shown = CliRunner().invoke(app, ["distill", "--help"]).output
    assert all(word in shown for word in command if word.startswith("--"))
