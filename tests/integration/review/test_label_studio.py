"""Label Studio itself, by the commands of docs/reviewing.md.

LABEL_STUDIO_PYTHON names the Python of an environment with Label Studio; without it these tests are skipped.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from pipeline.workspace import Workspace
from stages.review.queue import Comparison, comparisons_of
from stages.review.store import Store, open_store, preferences
from stages.split.votes import bad_clips, choices
from tests import videos
from tests.cli import ROOT
from tests.review_server import filled
from tests.tables import clip, question
from tests.unit.review.votes import vote

PYTHON = os.environ.get("LABEL_STUDIO_PYTHON", "")
PAGE = (ROOT / "docs" / "reviewing.md").read_text().partition("## With Label Studio")[2]
INSTALL, EXPORT, START, PROJECT, IMPORT = re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S)
API = PROJECT.splitlines(keepends=True)[0]  # the function that the lines below it use
FETCH, TAKE_IN = IMPORT.splitlines(keepends=True)[:2]
USER, PASSWORD = "you@example.org", "choose a password"
START_S = 300.0  # alone it takes 30

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON,
        reason="LABEL_STUDIO_PYTHON names no environment with it; `make test-label-studio` makes one",
    ),
]


@dataclass
class Studio:
    """Label Studio in a folder that the commands of the documentation are run in.

    Attributes:
        folder: With `out/mine`, the workspace, and what the commands make.
        port: Where it listens, in place of the port in the documentation.
    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def workspace(self) -> Workspace:
        """What is reviewed."""
        return Workspace(str(self.folder / "out" / "mine"))

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands: no machine's own settings of Label Studio, and its programs first."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO")}
        return kept | {"PATH": f"{self.folder / 'programs'}:{os.environ['PATH']}", "SENTRY_DSN": ""}

    def script(self, commands: str) -> list[str]:
        """The commands, with this one's port, as a shell runs them."""
        return ["bash", "-euo", "pipefail", "-c", commands.replace("8080", str(self.port))]

    def run(self, commands: str) -> str:
        """Run commands to their end. Returns what they print."""
        done = subprocess.run(
            self.script(commands),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def api(self, method: str, path: str, **body: Any) -> Any:
        """What its REST API answers."""
        token = (self.folder / "label-studio" / "token").read_text().strip()
        headers = {"Authorization": f"Token {token}"}
        answer = requests.request(
            method, f"{self.url}/api/{path}", headers=headers, json=body or None, timeout=60
        )
        assert answer.ok, answer.text
        return answer.json()

    def task(self, clip_id: str, asked: str) -> int:
        """The number of the task on this question."""
        tasks = self.api("GET", "tasks?project=1&page_size=100&fields=all")["tasks"]
        (found,) = [
            task["id"]
            for task in tasks
            if (task["data"]["clip_id"], task["data"]["question"]) == (clip_id, asked)
        ]
        return int(found)


CAMERA, OBJECT = "How does the camera move?", "Where does the thing go?"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Label Studio with the exported questions and the votes of two people, who agree on one question."""
    folder = tmp_path_factory.mktemp("label studio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        studio = Studio(folder, free.getsockname()[1])
    programs = folder / "programs"
    programs.mkdir()
    (programs / "motionsight").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobs.cli "$@"\n')
    (programs / "motionsight").chmod(0o755)
    (folder / "label-studio").mkdir()
    (folder / "label-studio" / "bin").symlink_to(Path(PYTHON).parent)
    film = videos.write(folder / "film of shots.mp4", 96)
    shots = [
        clip("one", uri=str(film), start_s=1.0, end_s=3.0),
        clip("two", uri=str(film), start_s=4.0, end_s=None),
    ]
    filled(folder / "out" / "mine", shots, question(CAMERA), question(OBJECT))
    store = open_store(studio.workspace)
    cast(store, asked(studio.workspace)["one", CAMERA])
    store.close()
    studio.run(EXPORT)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            studio.script(START),
            cwd=folder,
            env=studio.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait(studio, process)
        studio.run(PROJECT)
        yield studio
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def asked(workspace: Workspace) -> dict[tuple[str, str], Comparison]:
    """What is asked, by clip_id and question."""
    found = comparisons_of(workspace.read("annotations", ["clip_id", "qa", "error"]))
    return {(one.clip_id, one.question): one for one in found}


def cast(store: Store, one: Comparison) -> None:
    """Ada and Bob choose the answer."""
    store.add(
        [vote(one, "ada 🎥", "answer", note="Fast, <b>ä</b>"), vote(one, "bob", "answer", edited="Left.")]
    )


def wait(studio: Studio, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(f"{studio.url}/health", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(1)
    pytest.fail(f"Label Studio has not started:\n{(studio.folder / 'log').read_text()[-3000:]}")


@pytest.fixture
def person(studio: Studio, browser: Browser) -> Iterator[Page]:
    """Somebody who has logged in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{studio.url}/user/login/", wait_until="domcontentloaded")
    page.fill("input[name=email]", USER)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url, wait_until="commit")
    yield page
    context.close()


def open_task(studio: Studio, page: Page, clip_id: str, about: str) -> None:
    """Show a task, and wait until its video can be played."""
    number = studio.task(clip_id, about)
    page.goto(f"{studio.url}/projects/1/data?task={number}", wait_until="domcontentloaded")
    expect(page.get_by_text(about, exact=True).last).to_be_visible(timeout=60_000)
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 3")


def submit(studio: Studio, page: Page, clip_id: str, about: str) -> None:
    """Press the button, and wait until the annotation is stored."""
    number = studio.task(clip_id, about)
    page.get_by_label("Submit current annotation").click()
    until = time.monotonic() + 30
    while not studio.api("GET", f"tasks/{number}/annotations/"):
        assert time.monotonic() < until, "the annotation is not stored"
        time.sleep(0.2)


def test_the_documentation_names_the_version_that_is_tested() -> None:
    (named,) = re.findall(r"label-studio==(\S+)", INSTALL)
    done = subprocess.run(
        [PYTHON, "-c", "from importlib.metadata import version; print(version('label-studio'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert named == done.stdout.strip()
    assert named in PAGE.partition("```bash")[0]


def test_a_shot_plays_and_votes_made_in_label_studio_come_back(studio: Studio, person: Page) -> None:
    open_task(studio, person, "two", CAMERA)
    video = "document.querySelector('video')"
    assert person.evaluate(f"{video}.duration") == pytest.approx(4.0, abs=0.1)
    person.get_by_label("Play", exact=True).click()
    person.wait_for_function(f"() => {video}.currentTime > 0.5")
    person.keyboard.press("6")
    person.get_by_placeholder("A note").fill("a slide show")  # and no Enter
    submit(studio, person, "two", CAMERA)

    open_task(studio, person, "one", OBJECT)
    person.keyboard.press("5")
    submit(studio, person, "one", OBJECT)

    # A third person disagrees with the two who agree; their votes came as annotations.
    number = studio.task("one", CAMERA)
    (task,) = [
        task for task in studio.api("GET", "projects/1/export?exportType=JSON") if task["id"] == number
    ]
    one = asked(studio.workspace)["one", CAMERA]
    worse = "left" if task["data"]["left"] == one.baseline else "right"
    result = {"from_name": "choice", "to_name": "video", "type": "choices", "value": {"choices": [worse]}}
    studio.api("POST", f"tasks/{number}/annotations/", result=[result], lead_time=2.0)

    said = studio.run(API + IMPORT)
    assert "3 of 5 votes in votes.json are new" in said
    assert re.search(r"two +bad clip +label-studio-1 +.* a slide show", said)
    table = preferences(studio.workspace)
    assert bad_clips(table) == {"two"}
    decided = choices(table)
    assert decided["one", CAMERA].chosen == "Left."  # Bob's correction of the better one
    assert decided["one", CAMERA].rejected == one.baseline
    assert decided["one", OBJECT].spoiled == "bad_question"
    assert decided["two", CAMERA].spoiled == "bad_clip"


def test_votes_and_notes_that_went_there_and_back_are_the_same(studio: Studio, tmp_path: Path) -> None:
    rows = studio.workspace.read("clips").to_pylist()
    other = filled(tmp_path / "other", rows, question(CAMERA), question(OBJECT))
    studio.run(API + FETCH)
    studio.run(f"motionsight review --output '{other.root}' --import-label-studio votes.json")
    here, there = open_store(studio.workspace), open_store(other)
    for name in ("ada 🎥", "bob"):
        (mine,), (theirs,) = here.votes(name), there.votes(name)
        assert (mine.subject, mine.outcome, mine.at) == (theirs.subject, theirs.outcome, theirs.at)
        assert (mine.edited, mine.note, mine.seconds) == (theirs.edited, theirs.note, theirs.seconds)
    here.close()
    there.close()


def test_a_vote_of_ours_that_is_changed_there_is_changed_here(studio: Studio, person: Page) -> None:
    number = studio.task("one", CAMERA)
    (bobs,) = [
        annotation
        for annotation in studio.api("GET", f"tasks/{number}/annotations/")
        if annotation["result"][0].get("meta", {}).get("annotator") == "bob"
    ]
    changed = json.loads(json.dumps(bobs["result"]))
    changed[0]["value"]["choices"] = ["both_bad"]
    studio.api("PATCH", f"annotations/{bobs['id']}/", result=changed)
    said = studio.run(API + FETCH + TAKE_IN)
    assert "1 of " in said
    store = open_store(studio.workspace)
    assert [one.choice for one in store.votes("bob")] == ["both_bad"]
    store.close()
