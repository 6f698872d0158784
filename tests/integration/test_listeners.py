import json
import subprocess
import sys

import pytest

CODE = """
import ipaddress, json, psutil
from pipeline.engine import EngineConfig, start
start(EngineConfig())
import ray
ray.data.range(4).map_batches(lambda batch: batch).materialize()
me = psutil.Process()
addresses = []
for process in (me, *me.children(recursive=True)):
    try:
        found = process.net_connections(kind="inet")
    except psutil.Error:
        continue
    addresses += [it.laddr.ip for it in found if it.status == psutil.CONN_LISTEN]
def on_loopback(text):
    address = ipaddress.ip_address(text)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
print(json.dumps([len(addresses), [text for text in addresses if not on_loopback(text)]]))
"""


@pytest.mark.ray
@pytest.mark.slow
def test_ray_on_one_machine_listens_on_the_loopback_alone() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    count, elsewhere = json.loads(run.stdout.splitlines()[-1])
    assert count > 0
    assert not elsewhere
