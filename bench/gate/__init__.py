"""The gate: records against a committed baseline, one verdict a row and metric.

`rows` holds both sides, `baseline` and `values_by_image` keep one in files, `tolerances` says what is
allowed, `noise` what chance can do, `verdicts` decides, `outputs` and `images` tell. See docs/gates.md.
"""
