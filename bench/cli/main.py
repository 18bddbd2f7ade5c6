"""The `bench` command: which commands there are, and how errors become one line and an exit code.

Commands live in `bench.cli`; none of them imports torch before it has work to do.
"""

from __future__ import annotations

import shlex
import signal
import sys
import traceback

import click

from bench.cli.board import board
from bench.cli.claims import claims
from bench.cli.clean import clean
from bench.cli.compare import compare
from bench.cli.data import data
from bench.cli.export import export
from bench.cli.gate import baseline, check
from bench.cli.judge import judge
from bench.cli.list import listing
from bench.cli.people import people
from bench.cli.power import power
from bench.cli.publish import publish
from bench.cli.report import report
from bench.cli.reproduce import reproduce
from bench.cli.run import run, train
from bench.cli.score import generate, score
from bench.cli.speed import speed
from bench.cli.trend import trend
from bench.core.errors import BenchError, UsageError
from bench.core.interrupt import Terminated, none_lost, terminate
from bench.stages.ranks import place

_BY_SEVERAL = ("run", "train")  # commands that several processes can execute together
EXIT_FAILED, EXIT_BUG, EXIT_INTERRUPTED, EXIT_TERMINATED = 4, 70, 130, 143


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pix2pix-bench", prog_name="bench")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option(
    "--plugin",
    "plugin_files",
    multiple=True,
    type=click.Path(),
    help="Python file that registers metrics, judges, variants or data sets (repeatable). It is executed.",
)
@click.pass_context
def cli(context: click.Context, debug: bool, plugin_files: tuple[str, ...]) -> None:
    """Ablation benchmark for image-to-image translation: trains the pix2pix variants under one protocol,
    scores them, and reports which part earns its keep.

    \b
    bench run --variants l1,cgan,l1+cgan --dataset toycity

    Exit codes: 0 done or passed; 1 regression; 2 wrong usage or input; 3 not comparable; 4 a run failed,
    the others finished; 130, 143 interrupted (the same command goes on).
    """
    from pathlib import Path

    from bench.core import plugins

    context.ensure_object(dict).update(debug=debug, plugins=tuple(map(Path, plugin_files)))
    if place() is not None and context.invoked_subcommand not in _BY_SEVERAL:
        raise UsageError(
            f"bench {context.invoked_subcommand} runs in one process: start it without torchrun or srun"
        )
    for file in plugin_files:
        plugins.load_file(Path(file))


for command in (
    claims,
    run,
    train,
    generate,
    export,
    score,
    report,
    listing,
    data,
    judge,
    check,
    baseline,
    compare,
    trend,
    power,
    speed,
    publish,
    board,
    people,
    reproduce,
    clean,
):
    cli.add_command(command)


def main() -> None:
    """Entry point of `bench`."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: list[str]) -> int:
    """Run one command line and return its exit code; errors are printed as one line on stderr."""
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        return call(arguments)
    except BenchError as error:
        return _fail(str(error), error.exit_code, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted: the same command goes on from here", EXIT_INTERRUPTED, [])
    except Terminated:
        return _fail("terminated: the same command goes on from here", EXIT_TERMINATED, [])
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        return _fail(f"{said} (a bug: `bench --debug ...` shows where)", EXIT_BUG, arguments)
    finally:
        signal.signal(signal.SIGTERM, previous)


def call(arguments: list[str]) -> int:
    """Run one command line and return its exit code.

    Raises:
        BenchError: what it refuses, or what failed.
    """
    typed = {"command": shlex.join(["bench", *arguments])}
    try:
        with none_lost():
            outcome = cli.main(arguments, prog_name="bench", standalone_mode=False, obj=typed)
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None
    return outcome if isinstance(outcome, int) else 0


def _is_follower() -> bool:
    """Whether another process of this command prints the messages."""
    try:
        here = place()
    except UsageError:
        return False
    return here is not None and here.rank > 0


def _fail(message: str, exit_code: int, arguments: list[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exc()
    if exit_code in (EXIT_FAILED, EXIT_BUG) or not _is_follower():
        click.echo(f"bench: {' '.join(message.split())}", err=True)
    return exit_code


if __name__ == "__main__":
    main()
