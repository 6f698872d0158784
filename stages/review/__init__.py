"""The page on which people choose between answers: its server, its videos, and where the votes are kept."""
