"""What is asked for.

Variants and suites by name, the grid, a run's spec and its hash, the choice of metrics and judge.

A field of the hash is a field of `TrainingSettings` or `TestSettings` (`baselines.settings`), of `Variant`,
or of `RunSpec`. `policy` is what no hash holds: what is kept of runs, and what is tried again.
"""
