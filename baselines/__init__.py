"""The systems under test: pix2pix and its ablations. Knows nothing of `bench`."""
