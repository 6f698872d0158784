"""A workspace to review, and `motionsight review`, or another server, on it as a process of its own."""

import http.client
import json
import re
import signal
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.schema import empty_row
from pipeline.workspace import Workspace
from tests.cli import start
from tests.tables import annotation, question, score

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"&"
TOKEN = "a-token-that-nobody-guesses"


def filled(folder: Path, clips: list[dict[str, Any]], *questions: dict[str, Any]) -> Workspace:
    """A workspace in which every clip was asked these questions, or a usual one."""
    workspace = Workspace(str(folder))
    ids = [row["clip_id"] for row in clips]
    for table, rows in {
        "clips": clips,
        "scores": [score(i) for i in ids],
        "annotations": [annotation(i, *(questions or (question(),))) for i in ids],
    }.items():
        workspace.append(table, [empty_row(table) | row for row in rows])
    return workspace


def votes(workspace: Workspace) -> list[tuple[Any, ...]]:
    """Question, annotator, choice and edited, in order of time; read by another process than the server's."""
    with sqlite3.connect(workspace.path("votes.sqlite")) as db:
        return db.execute("SELECT question, annotator, choice, edited FROM votes ORDER BY at").fetchall()


class Server:
    """`motionsight review`, or `browse`, on a workspace, in a process of its own, ready to answer.

    Attributes:
        process: The process.
        log: What it has printed so far, as far as it was read.
        url: The address that it printed, with the token if there is one.
        port: The port of that address.
    """

    def __init__(self, workspace: Workspace, *options: str, port: int = 0, command: str = "review") -> None:
        self.process = start(command, "--output", workspace.root, "--port", port, *options)
        self.log = ""
        while not (found := re.search(r"http://\S+", self.log)):
            line = self.process.stderr.readline()  # type: ignore[union-attr]
            assert line, f"the server ended: {self.log}"
            self.log += line
        self.url = found[0]
        self.port = urlsplit(self.url).port or 0

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait for the end, and return the exit code; what it printed is in `log`."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.log += self.process.communicate(timeout=30)[1]
        return self.process.returncode

    def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (in lower case) and body of the answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body)
        try:
            connection.request(
                method, path, data, ({"Content-Type": "application/json"} if data else {}) | sent
            )
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def ask(self, what: str, annotator: str, **more: Any) -> dict[str, Any]:
        """What the API answers to a person's request, such as "next" or "vote"."""
        status, _, body = self.request("POST", f"/api/{what}", {"annotator": annotator} | more)
        assert status == 200, body
        return json.loads(body)
