"""Images that other tools made.

`match` pairs file names, `gather` checks the request, `score` writes records.
"""
