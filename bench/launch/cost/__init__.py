"""How fast a training step is, and how fast it could be.

`counted` (operations and bytes of a step), `peaks` (what the device can do), `worker` (a process that takes
steps), `measure` (worker processes, and what came of them), `kept` (results in the cache, for `--dry-run`).
"""
