"""Getting a data set: fetch and download, unpack, prepare, verify; released weights of metrics."""
