"""The harness: data, runs, scores, records, reports and gates for image-to-image translation."""

__version__ = "0.1.0"
