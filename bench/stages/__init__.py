"""One run, from spec to record.

Train, generate, score. Each stage leaves a file and is skipped if that is there.

Predictions are PNG files (`core.images` encodes them, `write_ahead` only queues); `records.output_folder`
names them.
"""
