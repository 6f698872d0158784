"""The frame of a run: config, table schemas, workspace, Ray engine."""
