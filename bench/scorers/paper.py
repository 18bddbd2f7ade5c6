"""The paper's own FCN score: `--scorer caffe:FILE`."""
