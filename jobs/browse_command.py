"""`motionsight browse`, with its options."""

from typing import Annotated

import typer

from jobs.options import ConfigPath, Host, Overrides, Token, session, sticking
from jobs.web import Address
from stages.audit.links import PORT


def browse(
    output: Annotated[str, typer.Option("--output", "-o", help="The workspace.")],
    config: ConfigPath = None,
    overrides: Overrides = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0: any free port.")] = PORT,
    token: Token = None,
) -> None:
    """Look at the clips on a web page: why each was kept or dropped, what was measured, asked and answered.

    Only reads the workspace, also while another command writes to it.

    Example: motionsight browse --output work

    Example: motionsight browse --output work --set gates.flow_min=0.01
    """
    from jobs import browse as job

    job.run(sticking(session(config, overrides, output)), Address(host, port, token))
