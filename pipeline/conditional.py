"""A small object in S3 that is only replaced by writers who know what is in it: conditional puts.

pyarrow has none, so they are made with boto3 where it is installed. Without it, in other stores, and in those
that do not know conditions, a later writer replaces what an earlier one has written, as everywhere else.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from pipeline.errors import reason
from pipeline.workspace import Workspace, split_options

# Codes of S3 for another writer who was faster, and deleted the object in the last case.
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
UNKNOWN = ("501", "NotImplemented")  # codes of stores without conditional puts
UNREACHED_S = 10  # seconds; well below the time at which a lease expires


class SharedObject:
    """An object that several writers may replace."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Name it, without reading it.

        Args:
            workspace: Where it is.
            name: Its path in there.
        """
        self._workspace, self._name = workspace, name
        self._version: str | None = None
        self._bucket, _, self._key = workspace.path(name).partition("/")
        self._s3 = _client(workspace.root)

    def read(self) -> bytes | None:
        """Read it, and remember its version for `write`. None: it does not exist. Raises OSError."""
        if self._s3:
            found, code = self._ask(self._s3.get_object)
            if found or code == "NoSuchKey":
                self._version = found.get("ETag")
                return found.get("Body")
            self._s3 = None
        return self._workspace.read_bytes(self._name)

    def write(self, data: bytes) -> bool:
        """Write it, unless it has changed since it was last read or written here.

        Returns:
            Whether it was written. Where there are no conditional puts, it always is.

        Raises:
            OSError: It cannot be written.
        """
        if self._s3:
            condition = {"IfMatch": self._version} if self._version else {"IfNoneMatch": "*"}
            put, code = self._ask(self._s3.put_object, Body=data, **condition)
            if put:
                self._version = put["ETag"]
                return True
            if code in TAKEN:
                return self.read() == data  # it is, if a lost answer made boto3 send the same again
            self._s3 = None
        self._workspace.write_bytes(data, self._name)
        return True

    def _ask(self, call: Callable[..., dict[str, Any]], **arguments: Any) -> tuple[dict[str, Any], str]:
        """Call boto3: what it returns, or the code of what the store or boto3 itself has refused."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        try:
            answer = call(Bucket=self._bucket, Key=self._key, **arguments)
            return answer | {"Body": answer["Body"].read()} if "Body" in answer else answer, ""
        except (ConnectionError, HTTPClientError) as error:
            raise OSError(reason(error)) from error
        except BotoCoreError as error:  # such as credentials that pyarrow finds and boto3 does not
            return {}, type(error).__name__
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 and code not in UNKNOWN:
                raise OSError(reason(error)) from error
            return {}, code


def _client(root: str) -> Any:
    """Return boto3's client for the store that a workspace is in; None if there is none."""
    place, text = split_options(root)
    if not place.startswith("s3://") or "@" in place.split("/")[2]:
        return None
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return None
    options = {name: values[0] for name, values in parse_qs(text.removeprefix("?")).items()}
    endpoint = options.get("endpoint_override")
    if endpoint and "://" not in endpoint:
        endpoint = f"{options.get('scheme', 'https')}://{endpoint}"
    # Other stores than Amazon's may not know the checksums that boto3 sends by default.
    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=UNREACHED_S,
        read_timeout=UNREACHED_S,
        retries={"total_max_attempts": 3},
    )
    try:
        return boto3.client("s3", endpoint_url=endpoint, region_name=options.get("region"), config=config)
    except (BotoCoreError, ValueError):
        return None
