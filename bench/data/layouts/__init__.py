"""How the files of a data set are arranged in folders: recognised by themselves, and read strictly."""

from bench.data.layouts.find import AmbiguousLayoutError, content_of, find, fitting
from bench.data.layouts.folders import may_be_singles, two_folders
from bench.data.layouts.found import Found, Pair
from bench.data.layouts.listing import ORIGINALS, OTHER_IMAGES, SUFFIXES, images, natural
from bench.data.layouts.pairing import UnpairedError

__all__ = [
    "ORIGINALS",
    "OTHER_IMAGES",
    "SUFFIXES",
    "AmbiguousLayoutError",
    "Found",
    "Pair",
    "UnpairedError",
    "content_of",
    "find",
    "fitting",
    "images",
    "may_be_singles",
    "natural",
    "two_folders",
]
