"""One file for each trainer's format; `stages.split.format` finds them."""
