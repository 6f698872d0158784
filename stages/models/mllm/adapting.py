"""What an endpoint has refused, so that later requests do without it.

Endpoints that call themselves OpenAI-compatible know different parts of the API, and say so with status 400
or 422.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from stages.models.metering import remark
from stages.models.mllm.replies import IN_WORDS

WRONG_REQUEST = (400, 422)
FEWER_LOGPROBS = 5  # the most that some endpoints report
UNKNOWN = re.compile(
    r"unsupported|not (?:be )?(?:support|permit|allow|recogni|accept)|unrecogni|unknown|unexpected|extra",
    re.I,
)
# What to do without, by the argument that a refusal is about; the first that is named decides.
NAMED = {
    "response_format": re.compile(r"response_format|json_schema|json mode|structured output", re.I),
    "stream_options": re.compile(r"stream_options"),
    "logprobs": re.compile(r"log_?probs", re.I),
    "seed": re.compile(r"\bseed\b", re.I),
    "temperature": re.compile(r"\btemperature\b", re.I),
    "max_tokens": re.compile(r"\bmax_(?:completion_)?tokens\b"),
}
SAID = {
    "response_format": "does not know JSON schemas: JSON is asked for in words, and checked",
    "json": "has answered without the JSON that it was asked for: from now on it is asked for in words too",
    "stream_options": "reports no tokens of streamed answers",
    "logprobs": "reports no log-probabilities, so P(Yes) is unknown",
    "top_logprobs": f"reports log-probabilities of {FEWER_LOGPROBS} tokens at most",
    "seed": "takes no seed",
    "temperature": "takes no temperature, so answers are sampled at its own",
    "max_tokens": "wants max_completion_tokens in place of max_tokens",
}


class Adapted:
    """Requests in the form that an endpoint accepts, as far as it has been learnt.

    Attributes:
        name: The endpoint and the model, for people.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: set[str] = set()

    def fit(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request without what the endpoint refuses."""
        made, known = dict(arguments), self._known
        if "max_tokens" in known and "max_tokens" in made:
            made["max_completion_tokens"] = made.pop("max_tokens")
        if made.get("response_format") and known & {"response_format", "json"}:
            schema = made["response_format"]["json_schema"]["schema"]
            made["messages"] = _in_words(made["messages"], schema)
        for name in known & {"response_format", "stream_options", "seed", "temperature"}:
            made.pop(name, None)
        if "logprobs" in known:
            made.pop("logprobs", None)
            made.pop("top_logprobs", None)
        elif "top_logprobs" in known and "top_logprobs" in made:
            made["top_logprobs"] = FEWER_LOGPROBS
        return made

    def learn(self, sent: Mapping[str, Any], status: int | None, body: str) -> bool:
        """Learn from a refusal.

        Args:
            sent: The arguments of the request that was refused.
            status: The HTTP status; None: there was none.
            body: What the endpoint said.

        Returns:
            Whether a request without the refused argument is worth sending.
        """
        refused = _refused(sent, body) if status in WRONG_REQUEST else None
        return bool(refused) and self.note(str(refused), sent)

    def note(self, what: str, sent: Mapping[str, Any]) -> bool:
        """Note that the endpoint refuses something, and say so once.

        Args:
            what: A key of `SAID`.
            sent: The arguments of the request.

        Returns:
            Whether the request differs from one that takes this into account.
        """
        new = what not in self._known
        self._known.add(what)
        if new:
            remark(f"{self.name} {SAID[what]}")
        return self.fit(sent) != dict(sent)


def _refused(sent: Mapping[str, Any], body: str) -> str | None:
    """Return what a refusal is about; None if that is nothing that can be done without."""
    param = _parameter(body)
    for name, named in NAMED.items():
        if name not in sent or not named.search(param or body):
            continue
        if name == "max_tokens":  # which is refused as too large, too
            renamed = "max_completion_tokens" in body or UNKNOWN.search(body)
            return name if renamed else None
        fewer = name == "logprobs" and sent.get("top_logprobs", 0) > FEWER_LOGPROBS
        return "top_logprobs" if fewer and "top_logprobs" in body and not UNKNOWN.search(body) else name
    return None


def _parameter(body: str) -> str | None:
    """Return the argument that a refusal names in a field of its own, as OpenAI and FastAPI do."""
    try:
        told = json.loads(body)
        if isinstance(told, dict) and isinstance(detail := told.get("detail"), list):
            return ".".join(map(str, detail[0]["loc"]))
        return str(told["error"]["param"] or "") or None
    except (ValueError, LookupError, TypeError):
        return None


def _in_words(messages: list[dict[str, Any]], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ask for JSON at the end of the last message."""
    *before, last = messages
    *parts, text = last["content"]
    words = f"{text['text']}\n\n{IN_WORDS}{json.dumps(schema)}"
    if text["text"].endswith(words[len(text["text"]) :]):
        return messages
    return [*before, last | {"content": [*parts, text | {"text": words}]}]
