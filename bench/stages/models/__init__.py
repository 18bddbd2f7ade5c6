"""Generators that were trained elsewhere: opened, tried, and run over a test split as a row of the table."""
