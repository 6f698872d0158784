"""One file for each benchmark: where its published files keep questions, options and answers.

A file that declares a subclass of `stages.evaluate.benchmark.Benchmark` is all that a new benchmark takes.
"""
