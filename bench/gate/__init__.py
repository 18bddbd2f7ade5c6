"""The gate: records against a committed baseline, one verdict a row and metric.

`rows` groups records, `baseline` and `sidecar` keep them in files, `tolerances` says what is allowed, `noise`
what chance can do, `verdicts` judges, `outputs` and `images` tell. Described in docs/gates.md.
"""
