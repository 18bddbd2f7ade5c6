"""Getting a data set: fetch and download, prepare, verify; released weights of metrics."""
