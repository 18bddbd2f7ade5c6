"""What every folder needs.

Errors, files, locks, decoding, plug-ins, bootstrap. No knowledge of images or runs.
"""
