"""What an OpenAI-compatible endpoint takes: a key, an answer at its address, and the model by its name."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from pipeline.errors import CallError, reason
from pipeline.requirements import Context, Finding
from pipeline.text import without_secrets

if TYPE_CHECKING:
    from stages.models.mllm.openai import OpenAiConfig

LIST_MODELS_S = 10.0  # time limit for an endpoint to list its models


def key_of(config: "OpenAiConfig") -> str:
    """Return the key from the environment; "" if it is not set and the server is on this machine.

    Raises:
        CallError: It is not set, or no key.
    """
    name = config.api_key_env
    key = os.environ.get(name, "").strip()
    host = urlsplit(config.base_url or os.environ.get("OPENAI_BASE_URL", "")).hostname or ""
    if not key and host not in ("localhost", "::1") and not host.startswith("127."):
        hint = f"set the environment variable {name} (to any word if the endpoint needs none)"
        raise CallError(f"no key for {host or 'OpenAI'}: {hint}")
    if not (key.isascii() and key.isprintable()):  # HTTP libraries would quote it in their errors
        raise CallError(f"the environment variable {name} holds characters that cannot be part of a key")
    return key


@dataclass(frozen=True)
class Key:
    """The key of an endpoint on another machine.

    Attributes:
        config: Which endpoint and key.
    """

    config: "OpenAiConfig"

    def examine(self, context: Context) -> Iterator[Finding]:
        """Look it up in the environment; finds nothing if none is needed."""
        what = f"key ${self.config.api_key_env}"
        try:
            if key_of(self.config):
                yield Finding(context.part, what, "set")
        except CallError as error:
            yield Finding(context.part, what, str(error), f"export {self.config.api_key_env}=...")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that answers, accepts the key, and has the model.

    Attributes:
        config: Which endpoint, key and model.
    """

    slow: ClassVar[bool] = True
    config: "OpenAiConfig"

    def examine(self, context: Context) -> Iterator[Finding]:
        """Ask the endpoint for its models; finds nothing without a key."""
        config, part = self.config, context.part
        try:
            key = key_of(config)
        except CallError:  # which `Key` has found
            return
        base = config.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        what = f"{config.model} at {without_secrets(base)}"
        request = urllib.request.Request(
            f"{base.rstrip('/')}/models", headers={"Authorization": f"Bearer {key or 'none'}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=LIST_MODELS_S) as answer:
                names = [model["id"] for model in json.load(answer)["data"]]
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):  # not every server lists its models
                yield Finding(part, what, "answers, but does not list its models")
                return
            keyed = f"is the key in ${config.api_key_env} right?"
            remedy = keyed if error.code in (401, 403) else "see its log"
            yield Finding(part, what, f"HTTP {error.code}", remedy)
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = f"start it, or --set {part}.base_url=URL (it usually ends in /v1)"
            yield Finding(part, what, reason(error), remedy)
        else:
            found = f"it has: {', '.join(names[:5]) or 'none'}"
            missing = config.model not in names
            remedy = f"--set {part}.model=NAME" if missing else ""
            yield Finding(part, what, found if missing else "available", remedy)
