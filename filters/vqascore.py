"""VQAScore: the probability that a clip shows what a text says (Lin et al. 2024, arXiv 2404.01291)."""

import math
from collections.abc import Mapping

QUESTION = 'Does this video show "{text}"? Please answer Yes or No.'


def probability(logprobs: Mapping[str, float]) -> float | None:
    """Compute P("Yes") from the first token of an answer.

    Models report only their likeliest tokens, so "No" without "Yes" means that P("Yes") is near 0.

    Args:
        logprobs: Natural log-probabilities of the tokens "Yes" and "No", as far as they are known.

    Returns:
        A probability, 0 to 1; None if neither token is known.
    """
    if "Yes" in logprobs:
        return math.exp(logprobs["Yes"])
    return 0.0 if "No" in logprobs else None
