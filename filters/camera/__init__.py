"""Camera motion from optical flow: a robust global fit, signed rates, and labels for them."""
