"""VQAScore: how likely a model finds it that a clip shows what a text says (Lin et al. 2024, 2404.01291)."""

import math
from collections.abc import Mapping

QUESTION = 'Does this video show "{text}"? Please answer Yes or No.'


def probability(logprobs: Mapping[str, float]) -> float | None:
    """Compute P("Yes") from the first token of an answer.

    A model lists its likeliest tokens only: "No" without "Yes" means that "Yes" has next to no probability.

    Args:
        logprobs: Natural log-probabilities of the tokens "Yes" and "No", as far as they are known.

    Returns:
        A probability, 0 to 1; None where nothing is known of either answer.
    """
    if "Yes" in logprobs:
        return math.exp(logprobs["Yes"])
    return 0.0 if "No" in logprobs else None
