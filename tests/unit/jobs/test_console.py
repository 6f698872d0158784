import io

import pytest
from rich.table import Table

from jobs.console import SafeConsole
from tests.cli import motionsight, sets

NAME = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202egpj.mp4\udcff\r.mp4"


@pytest.mark.parametrize("terminal", [True, False])
def test_no_name_can_command_the_terminal(terminal: bool) -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=terminal, width=200, color_system=None, highlight=False)
    console.print(f"error: cannot read {NAME}", markup=False, soft_wrap=True)
    table = Table("clip")
    table.add_row(NAME)
    console.print(table)
    said = out.getvalue()
    said.encode()
    assert not set("\x1b\x07\x9b\u202e\r") & set(said)
    assert said.count(r"\x1b]0;owned") == 2
    assert r"owned\x1b[2J\x9b31m\u202egpj.mp4\udcff.mp4" in said.splitlines()[0]


def test_colours_of_our_own_stay() -> None:
    out = io.StringIO()
    SafeConsole(file=out, force_terminal=True, color_system="standard").print(
        "[red]x[/red] tab\tline\nend 🎥 é"
    )
    assert "\x1b[31m" in out.getvalue()
    assert "line\nend 🎥 é" in out.getvalue()


@pytest.mark.parametrize("address", ["http://me:SECRET@127.0.0.1:9/v1", "ht tp://me:SECRET@h/v1?key=SECRET"])
def test_keys_in_the_address_of_a_model_reach_no_terminal(address: str) -> None:
    settings = sets(f"mllm.base_url={address}", "mllm.model=m")
    done = motionsight("config", "--config", "openai", *settings)
    assert "***@" in done.stdout + done.stderr
    assert "SECRET" not in done.stdout + done.stderr
