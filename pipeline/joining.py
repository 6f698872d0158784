"""What it takes to join a Ray cluster: its token, and workers that have this package."""

import os
import re
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.errors import RunError

DISTRIBUTION = "motionsight-distill"
ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
ANSWER_S = 10.0
ATTEMPTS = 3  # a head node that is just starting, or a fork in another thread, breaks connections off
PAUSE_S = 0.5
NOT_LET_IN = (
    "the cluster does not let this user in: set RAY_AUTH_TOKEN to its token, or copy ~/.ray/auth_token from"
    " the user who started it (`ray get-auth-token` prints it there)"
)
NO_PACKAGE = (
    f"workers of the cluster cannot import this version of {DISTRIBUTION}, neither by the Python that they"
    f" are started with nor by {sys.executable}: install it on every node, or send a checkout along with"
    " `motionsight submit --working-dir`"
)


def token() -> str | None:
    """Return the token that this user has for clusters, from where Ray looks for it; None: there is none."""
    if given := os.environ.get("RAY_AUTH_TOKEN"):
        return given
    with suppress(OSError):
        return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token").read_text()
    return None


def let_in(address: str) -> None:
    """Ask a cluster whether it can be joined, and by a token, before Ray takes half a minute to find out.

    A driver with a token cannot use a cluster that wants none, and Ray takes the user's where it finds one.

    Args:
        address: As `ray.init` takes it; nothing is asked of an address that is neither host:port nor "auto".

    Raises:
        RunError: Nothing answers there, or it wants another token.
    """
    if address == "auto":
        from ray._private.services import find_bootstrap_address

        address = find_bootstrap_address(None) or address
    if not re.fullmatch(r"[^/]+:\d+", address):
        return
    known = token()
    wanted = not _answers(address, None)
    if wanted and not (known and _answers(address, known)):
        raise RunError(NOT_LET_IN)
    _use("token" if wanted else "disabled")


def take_token() -> None:
    """Use the user's token, if there is one, for the job server, which accepts it in any case."""
    if token():
        _use("token")


def _answers(address: str, token: str | None) -> bool:
    """Whether a cluster answers, or rather asks for another token. Raises RunError if nothing is there."""
    import grpc

    headers = (("authorization", f"Bearer {token.strip()}"),) if token else ()
    failure: Any = None
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE_S * bool(attempt))
        with grpc.insecure_channel(address) as channel:
            try:
                channel.unary_unary(ALIVE)(b"", timeout=ANSWER_S, metadata=headers)
                return True
            except grpc.RpcError as error:
                failure = error
        if failure.code() is grpc.StatusCode.UNAUTHENTICATED:
            return False
        if failure.code() is not grpc.StatusCode.UNAVAILABLE:
            break
    raise RunError(f"no Ray cluster answers at {address}: {failure.details()}") from failure


def _use(mode: str) -> None:
    """Set Ray's mode of authentication, unless the environment says what to do."""
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = mode
        if "ray" in sys.modules:  # it has read the variable when it was imported
            from ray._raylet import Config  # type: ignore[attr-defined]  # compiled

            Config.initialize("")


def workers_have_this() -> bool:
    """Whether workers, as the cluster starts them, can import this version of the package.

    Ray must have been joined.
    """
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(ray.remote(num_cpus=0, max_retries=0)(_version).remote()) == _version()
    except RayError:  # it cannot even import this file
        return False


def _version() -> str | None:
    """The version of the package that is installed; None for a checkout that is not."""
    with suppress(PackageNotFoundError):
        return version(DISTRIBUTION)
    return None
