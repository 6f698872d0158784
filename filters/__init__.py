"""Numbers about a clip, and verdicts on them."""
