"""`motionsight demo`: render clips whose motion is known exactly, and count what was labelled correctly."""
