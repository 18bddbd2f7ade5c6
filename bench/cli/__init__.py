"""What was typed: `main.py` and one file a command, which parses, calls, prints and gives an exit code."""
