"""Many runs: where they execute, and what happens when a process or a machine dies.

A launcher is a class with `run` (`Launcher` in `run_job`); `cli.launching` chooses one. `cost/` estimates
how long.
"""
