"""What came out: records, values by image, and the folder of an output."""
