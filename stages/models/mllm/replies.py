"""Check the replies of models, and read the probability of their first token."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stages.models.protocols import Reply, Request

LONGEST_DETAIL = 300  # characters of `Reply.detail`
IN_WORDS = "Answer with JSON alone, without any other text, that conforms to this JSON schema:\n"
CONTROL = re.compile(r"[\x00-\x1f]")


def checked(reply: Reply, request: Request) -> Reply:
    """Check that a reply is what the request asked for.

    Returns:
        The reply with its text trimmed to the answer or the JSON requested, or with error `mllm_bad_output`.
    """
    text = whole_characters(reply.text).strip()
    if not text and not reply.logprobs:  # log-probabilities need no text: the likeliest token may be a space
        return bad(reply, "an empty answer")
    if request.json_schema is None:
        return replace(reply, text=text)
    text = CONTROL.sub(" ", text)  # white space in JSON; engines let them into strings with a maxLength too
    inner = text[text.find("{") : text.rfind("}") + 1]  # models often wrap their JSON in prose
    for candidate in (text, inner):
        if not mismatch(candidate, request.json_schema):
            return replace(reply, text=candidate)
    return bad(reply, f"{mismatch(inner or text, request.json_schema)}: {text}")


def bad(reply: Reply, detail: str) -> Reply:
    """Turn an unusable reply into error `mllm_bad_output`, keeping its token counts."""
    return replace(reply, text="", logprobs={}, error="mllm_bad_output", detail=detail)


def after(spent: Reply, reply: Reply) -> Reply:
    """Add the tokens and requests of earlier attempts to a reply."""
    return replace(
        reply,
        tokens=spent.tokens + reply.tokens,
        prompt_tokens=spent.prompt_tokens + reply.prompt_tokens,
        cached_tokens=spent.cached_tokens + reply.cached_tokens,
        requests=spent.requests + reply.requests,
        thought_tokens=spent.thought_tokens + reply.thought_tokens,
    )


def mismatch(text: str, schema: Mapping[str, Any]) -> str:
    """Say why a text does not conform to a JSON schema.

    Returns:
        The reason; "" if it conforms, or if the package jsonschema, which checks it, is not installed.
    """
    try:
        value = json.loads(text)
        from jsonschema.validators import validator_for

        wrong = next(validator_for(schema)(schema).iter_errors(value), None)
    except ImportError:
        return ""
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error})"
    return f"not of the schema ({wrong.message})" if wrong else ""


def first_token(told: Iterable[tuple[str, float]], wanted: Sequence[str]) -> dict[str, float]:
    """Read the log-probabilities of wanted tokens from the candidates for one position.

    Candidates that differ only in surrounding white space, such as "Yes" and " Yes", are added up.

    Args:
        told: Spelling and natural log-probability of distinct candidates, as far as they are reported.
        wanted: The tokens, without surrounding white space.

    Returns:
        Natural log-probability by wanted token; tokens that are not among the candidates are absent.
    """
    shares = dict.fromkeys(wanted, 0.0)
    for spelt, logprob in told:
        if spelt.strip() in shares:
            shares[spelt.strip()] += math.exp(min(0.0, logprob))
    return {token: min(0.0, math.log(share)) for token, share in shares.items() if share > 0}


def sentence(text: str) -> str:
    """Bring a text from elsewhere into the form of `Reply.detail`: one line of limited length."""
    return " ".join(whole_characters(text).split())[:LONGEST_DETAIL]


def whole_characters(text: str) -> str:
    """Replace lone surrogates, which tables cannot store."""
    return text.encode("utf-8", "replace").decode()
