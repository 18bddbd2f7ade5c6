"""Images to numbers: `one_pass` shows each image to every metric once."""
