"""The embedded data set: street scenes that are drawn, so that everything runs without a download."""
