"""Files that a variant names: a run's hash has what they hold, not where they lie.

A field whose name ends in "_file" is a path. The field that ends in "_sha256" instead has the file's content.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from baselines.variants import Variant
from bench.core.errors import UsageError
from bench.core.files import named_path

_FILE, _SHA256 = "_file", "_sha256"


def with_content(variant: Variant) -> Variant:
    """`variant` with absolute paths, and the sha256 of each file that it names.

    Raises:
        UsageError: if a file is missing, or does not hold what the variant says.
    """
    parts = dict(variant.parts)
    for name, value in variant.parts:
        if not name.endswith(_FILE):
            continue
        path, content = named_path(str(value)), f"{name.removesuffix(_FILE)}{_SHA256}"
        if not path.is_file():
            raise UsageError(f"expected a file at {name}={value}, found none: check the path")
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if parts.get(content, found) != found:
            raise UsageError(
                f"expected {name}={value} with sha256 {parts[content]}, found {found}: it is another file"
            )
        parts |= {name: str(path.absolute()), content: found}
    return replace(variant, parts=tuple(parts.items())) if parts != dict(variant.parts) else variant
