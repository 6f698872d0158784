"""How a question of a benchmark is put, how a reply is read, and what counts: one file for each benchmark."""
