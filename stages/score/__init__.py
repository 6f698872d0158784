"""One decoding pass over a clip, and the numbers that come out of it."""
