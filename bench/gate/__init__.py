"""The gate: records against a committed baseline, one verdict a row and metric.

`rows` holds both sides, `baseline` and `values_by_image` keep one in files, `tolerances` says what is
allowed, `noise` what chance can do, `decide` reaches verdicts, which `outcome` holds; `outputs` and `images`
tell. `check` is the way in, `pytest_plugin` that of other projects' tests. See docs/gates.md.
"""
