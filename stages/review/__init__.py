"""Review: people choose between answers on a web page, or in Label Studio."""
