"""Metrics. A family has an entry point and an entry in `catalogue`; the other files are their parts.

Families: colour, diversity, fd_lite0, fid, lpips, pixels, segmentation, spectrum, structural.
"""
