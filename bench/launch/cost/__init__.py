"""How fast a training step is, and how fast it could be.

`least_work` (operations and bytes of a step), `peaks` (what the device can do), `step_worker` (a process that
takes steps), `measure` (starts such processes and collects their times), `kept_times` (results in the cache),
`estimate` (the cost of a grid, for `--dry-run`).
"""
