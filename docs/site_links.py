"""A hook of `mkdocs build`: links that leave docs/ work on the site as they do on the code host.

A page links to a file of the repository by its relative path (`../reports/...`). The code host follows it.
For the site this hook adds that file, and what a Markdown file among them links to, under its path in the
repository, and rewrites the link. Files in docs/ keep their place. A link to nothing stays as it is, so that
`mkdocs build --strict` names it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add the files of the repository that pages link to."""
    docs = Path(config.docs_dir)
    root = docs.parent
    waiting = [Path(str(file.abs_src_path)) for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall(page.read_text(encoding="utf-8")):
            target = Path(os.path.normpath(page.parent / unquote(link)))
            if not target.is_file() or target.is_relative_to(docs) or not target.is_relative_to(root):
                continue
            place = target.relative_to(root).as_posix()
            if files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(target)))
                waiting += [target] if target.suffix == ".md" else []
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point each link at the place that its target has on the site."""
    if page.file.abs_src_path is None:
        return markdown  # of a notebook, which links to pages alone
    docs = Path(config.docs_dir)
    root = docs.parent
    source = Path(page.file.abs_src_path)

    def placed(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / unquote(link[0])))
        if not target.is_file() or not target.is_relative_to(root):
            return link[0]
        place = target.relative_to(docs if target.is_relative_to(docs) else root)
        return quote(os.path.relpath(place, Path(page.file.src_uri).parent))

    return LINK.sub(placed, markdown)
