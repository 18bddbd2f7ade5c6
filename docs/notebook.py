"""A hook of `mkdocs build`: executes the notebooks of docs/, shows them as pages; an error in a cell fails.

The notebooks are kept without outputs: what the site shows was computed while it was built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor

MINUTES = 10


def on_files(files: Files, config: Any) -> Files:
    """Replace each notebook by its page and the images that it made."""
    for given in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(given)
        exporter = MarkdownExporter(preprocessors=[ExecutePreprocessor(timeout=60 * MINUTES)])
        page, made = exporter.from_filename(str(given.abs_src_path))
        place = Path(given.src_uri)
        for name, content in made["outputs"].items():
            files.append(File.generated(config, str(place.with_name(name)), content=content))
        files.append(File.generated(config, str(place.with_suffix(".md")), content=page))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to notebooks lead to their pages."""
    return markdown.replace(".ipynb)", ".md)")
