"""From the tables to a published dataset."""
