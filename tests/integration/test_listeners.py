import ipaddress
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests import videos


def on_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_on_one_machine_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    videos.write(tmp_path / "clips/a.mp4")
    words = ["-m", "jobs.cli", "distill", "--input", "clips", "--output", "work"]
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen([sys.executable, *words], cwd=tmp_path, stdout=log, stderr=log)
    found: dict[str, set[str]] = {}
    while run.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(run.pid).children(recursive=True):
                with suppress(psutil.Error):
                    sockets = process.net_connections(kind="inet")
                    listening = {it.laddr.ip for it in sockets if it.status == psutil.CONN_LISTEN}
                    found.setdefault(process.name(), set()).update(listening)
        time.sleep(0.5)
    assert run.returncode == 0, (tmp_path / "log").read_text()
    assert {"gcs_server", "raylet"} <= {name for name, addresses in found.items() if addresses}
    assert not {name: ips for name, ips in found.items() if not all(map(on_loopback, ips))}
