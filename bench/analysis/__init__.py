"""What records say: rows, cells, differences, intervals, power. Each rule of comparing is here once.

Report, gate and claims are built on it.
"""
