"""Is what a model wrote the answer that was asked for, and how likely was its first token?"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stages.models.protocols import Reply, Request

LONGEST_DETAIL = 300  # characters
CONTROL = re.compile(r"[\x00-\x1f]")


def checked(reply: Reply, request: Request) -> Reply:
    """The reply, its text trimmed to what was asked for; error `mllm_bad_output` if it cannot be used."""
    text = whole_characters(reply.text).strip()
    if not text and not reply.logprobs:  # a score needs no text: the likeliest token may be a space
        return bad(reply, "an empty answer")
    if request.json_schema is None:
        return replace(reply, text=text)
    text = CONTROL.sub(" ", text)  # white space in JSON, or what engines let into strings with a maxLength
    inner = text[text.find("{") : text.rfind("}") + 1]  # models like to wrap their JSON in prose
    for candidate in (text, inner):
        if not mismatch(candidate, request.json_schema):
            return replace(reply, text=candidate)
    return bad(reply, f"{mismatch(inner or text, request.json_schema)}: {text}")


def bad(reply: Reply, detail: str) -> Reply:
    """Error `mllm_bad_output` at the cost of the reply that cannot be used."""
    return replace(reply, text="", logprobs={}, error="mllm_bad_output", detail=detail)


def after(spent: Reply, reply: Reply) -> Reply:
    """The reply with the tokens of an earlier attempt on top."""
    return replace(
        reply,
        tokens=spent.tokens + reply.tokens,
        prompt_tokens=spent.prompt_tokens + reply.prompt_tokens,
        cached_tokens=spent.cached_tokens + reply.cached_tokens,
        requests=spent.requests + reply.requests,
    )


def mismatch(text: str, schema: Mapping[str, Any]) -> str:
    """Why the text is not JSON of the schema; "" if it is, as far as the packages here can tell."""
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
    """Log-probability of each wanted token out of those told of one place; the untold are absent.

    told: spelling and natural log-probability of distinct tokens. Spellings that differ in surrounding white
    space alone, "Yes" and " Yes", count as one.
    """
    shares = dict.fromkeys(wanted, 0.0)
    for spelt, logprob in told:
        if spelt.strip() in shares:
            shares[spelt.strip()] += math.exp(min(0.0, logprob))
    return {token: min(0.0, math.log(share)) for token, share in shares.items() if share > 0}


def sentence(text: str) -> str:
    """A text from elsewhere in the form of `Reply.detail`: one line, not too long."""
    return " ".join(whole_characters(text).split())[:LONGEST_DETAIL]


def whole_characters(text: str) -> str:
    """The text with half characters, which no table can hold, replaced."""
    return text.encode("utf-8", "replace").decode()
