"""A real S3 server on this machine, for tests."""

import functools
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "bucket"


class S3:
    """moto's server on a free port of 127.0.0.1; what it holds outlives `stop`, as a store's disk does."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @functools.cache  # noqa: B019 - there are few servers, and making a client takes long
    def client(self) -> "boto3.client":
        return boto3.client("s3", endpoint_url=self.environment["AWS_ENDPOINT_URL"])

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        return self.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()

    @contextmanager
    def answering(self, count: int) -> Iterator[None]:
        """Let it answer so many requests more, and refuse all that come after those until the block ends."""
        server = self._server._server
        application, answered = server.app, itertools.count()

        def refusing(environment: Any, start: Any) -> Any:
            if next(answered) < count:
                return application(environment, start)
            start("403 Forbidden", [("Content-Length", "0")])  # anything that clients do not try again
            return [b""]

        server.app = refusing
        try:
            yield
        finally:
            server.app = application

    def stop(self) -> None:
        self._server.stop()

    def start_again(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self._port, verbose=False)
        self._server.start()


@contextmanager
def serving() -> Iterator[S3]:
    """The server, with the environment set to it, and an empty bucket."""
    server = S3()
    with patch.dict(os.environ, server.environment):
        server.client().create_bucket(Bucket=BUCKET)
        yield server
        server.stop()
