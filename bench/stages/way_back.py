"""The other generator of an unpaired training, as a run of its own: from target to source."""

from __future__ import annotations

import json
from pathlib import Path

from bench.core.errors import UsageError
from bench.core.files import move_file, write_text
from bench.records.output_folder import RunFiles
from bench.spec.run_spec import RunSpec
from bench.stages.score import read_history

_OF_THE_WAY_THERE = ("validation", "generate_seconds", "cost")


def settle(out: Path, spec: RunSpec) -> None:
    """Give the second generator of the trained run `spec` the folder of a run, unless it has one.

    There it stands as if it had been trained in the opposite direction, with the history of both.

    Raises:
        UsageError: if it was not kept.
    """
    back = spec.turned()
    there, files = RunFiles(out, spec.id), RunFiles(out, back.id)
    if not there.checkpoint_back.is_file():
        if files.checkpoint.is_file() or files.predictions.is_dir():
            return
        raise lost(out, back)
    kept = {key: value for key, value in read_history(there).items() if key not in _OF_THE_WAY_THERE}
    write_spec(files, back)
    write_text(files.history, json.dumps(kept, allow_nan=False))
    move_file(there.checkpoint_back, files.checkpoint)


def write_spec(files: RunFiles, spec: RunSpec) -> None:
    """Write the run's spec, before anything else of it."""
    content = spec.to_dict() | {"swept": spec.swept, "also": spec.also}
    write_text(files.spec, json.dumps(content, indent=1) + "\n")


def lost(out: Path, back: RunSpec) -> UsageError:
    """What to say where the second generator is gone."""
    there = RunFiles(out, back.turned().id)
    return UsageError(
        f"expected {there.checkpoint_back}, found none: delete its folder and run again with "
        "--both-directions"
    )
