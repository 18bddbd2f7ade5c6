"""`bench run --dry-run`: what a grid will do and cost. Also the check for disk space before a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.cli.launching import shares
from bench.cli.sizes_in_words import geometry_lines

if TYPE_CHECKING:
    from rich.table import Table

    from bench.launch.cost.estimate import Room, StepTime
    from bench.launch.cost.judging import JudgeCost
    from bench.launch.cost.memory import Need
    from bench.spec.grid import Plan


def room_of(plans: list[Plan], options: dict[str, Any], lengths: Sequence[int] = ()) -> Room:
    """What the runs that do not exist yet will cost; `lengths` are the steps of those of `--keep-at`."""
    from bench.launch.cost.estimate import room_needed
    from bench.launch.url_output import local_folder
    from bench.records.output_folder import RunFiles
    from bench.records.record import record_path
    from bench.stages.train import SAMPLE_POINTS

    out = local_folder(options["out"])
    fresh = [
        (spec, plan.dataset, plan.data.test_n)
        for plan in plans
        for spec in (*plan.runs, *plan.ways_back)
        if not record_path(out, spec.id).is_file() and not RunFiles(out, spec.id).checkpoint.is_file()
    ]
    at_once = options.get("jobs") if isinstance(options.get("jobs"), int) else 1
    return room_needed(fresh, options["keep"], SAMPLE_POINTS, at_once or 1, lengths)


def memory_of(plans: list[Plan], options: dict[str, Any], device: str) -> Need | None:
    """The memory of a training of large images on this machine; None if they are small or train elsewhere.

    Raises:
        UsageError: if there is too little.
    """
    if options["launcher"] != "local":
        return None
    from bench.launch.cost.memory import check_memory

    at_once = options["jobs"] if isinstance(options["jobs"], int) else 1
    return check_memory(plans, device, at_once)


_PLAN_HEADS = ("variant", "seed", "px", "batch", "steps", "epochs", "G", "D", "time")


class Lanes(NamedTuple):
    """How a grid executes on this machine.

    Attributes:
        at_once: runs at once.
        sharing: runs at once on each device.
        threads: CPU threads of each run; None: those of this process.
    """

    at_once: int = 1
    sharing: int = 1
    threads: int | None = None


def lanes_of(options: dict[str, Any], device: str, runs: int) -> Lanes:
    """The lanes that `bench run` has with these options; one lane if runs execute elsewhere."""
    jobs = options["jobs"]
    if options["launcher"] != "local" or not isinstance(jobs, int) or jobs == 1:
        return Lanes()
    from bench.launch.jobs_at_once import gpus

    at_once, threads = shares(jobs, options["threads"], runs)
    return Lanes(at_once, -(-at_once // len(gpus(device))), threads)


def show_plans(
    plans: list[Plan],
    device: str,
    room: Room,
    lanes: Lanes,
    eval_every: int | None = None,
    judges: Sequence[JudgeCost] = (),
    *,
    shared: bool = False,
) -> None:
    """Print the runs, their parameters, the time and the room; `device` trains them.

    Args:
        eval_every: steps between two scorings on the validation images.
        judges: that will score them.
        shared: one training makes the runs that differ only in their steps (`--keep-at`).
    """
    from rich.console import Console

    from bench.launch.cost.estimate import grid_step_times, where_from
    from bench.launch.cost.memory import need_of
    from bench.launch.driver import same_runs
    from bench.launch.one_training import ends_of

    console = Console(highlight=False)
    costs: list[float] = []
    together: list[float | None] = []
    sources: list[StepTime] = []
    for plan in plans:
        if plan.ways_back:
            console.print(f"{plan.data.name} {plan.data.direction}: {', '.join(_names(plan))}")
            continue
        with _threads(lanes.threads):
            times = grid_step_times(plan.runs, plan.dataset, device, lanes.sharing)
        sources += times.values()
        trained = ends_of(plan.runs) if shared else plan.runs
        for spec in trained:
            time, steps = times[spec.hash], spec.training.steps
            costs.append(time.seconds * steps)
            together.append(None if time.together is None else time.together * steps)
        console.print(_table(plan, times))
        if len(trained) < len(plan.runs):
            console.print("one training makes the rows of all lengths: the longest counts in the total")
        for line in plan.dataset.lines:
            console.print(line, soft_wrap=True, markup=False)
        for line in (*same_runs(plan.runs), *_validation(plan, eval_every)):
            console.print(line)
    for row in (row for plan in plans for row in plan.models):
        console.print(
            f"{row.model.name}: {row.model.kind}, trained elsewhere: opened and tried", markup=False
        )
    if not costs:
        console.print("nothing is trained; nothing was written")
        return
    console.print("G, D: parameters of generator and discriminator")
    for judge in judges:
        console.print(judge.words)
    for line in geometry_lines(plans):
        console.print(line)
    console.print(f"memory: {need_of(plans, device)}")
    console.print(f"disk: {room}")
    took = _in_words(costs, together, device, lanes)
    console.print(f"training on {device}: {took} ({where_from(sources)}); nothing was written")


def _names(plan: Plan) -> list[str]:
    return list(dict.fromkeys(spec.label for spec in plan.ways_back))


def _validation(plan: Plan, every: int | None) -> list[str]:
    """What is scored during training, and how the step is chosen."""
    if every is None:
        return []
    times = sorted({-(-spec.training.steps // every) for spec in plan.runs})
    count = str(times[0]) if len(times) == 1 else f"{times[0]} to {times[-1]}"
    metrics = dict.fromkeys(spec.choice.metric for spec in plan.runs if spec.choice is not None)
    taken = f"takes the step with the best {', '.join(metrics)}" if metrics else "takes the last step"
    return [
        f"validation: {plan.dataset.splits['val']} images every {every} steps, {count} times a run (its time "
        f"is not in the estimate); {taken}"
    ]


def _table(plan: Plan, times: dict[str, StepTime]) -> Table:
    from rich.table import Table

    from bench.core.progress import duration
    from bench.launch.cost.estimate import parameters

    data = plan.data
    val = plan.dataset.splits.get("val")
    counts = f"{data.train_n} training, {f'{val} validation, ' if val else ''}{data.test_n} test pairs"
    title = f"{data.name} {data.direction}: {counts}"
    table = Table(title=title, box=None, title_justify="left", padding=(0, 2, 0, 0))
    for head in _PLAN_HEADS:
        left = head == "variant"
        table.add_column(head, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for spec in plan.runs:
        settings, count = spec.training, parameters(spec, plan.dataset)
        ways = "2 x " if count.others else ""  # both directions
        table.add_row(
            spec.label,
            str(spec.seed),
            str(settings.size_px),
            str(settings.batch_size),
            str(settings.steps),
            f"{settings.steps * settings.batch_size / data.train_n:.3g}",
            f"{ways}{count.generator / 1e6:.2f} M",
            f"{ways}{count.discriminator / 1e6:.2f} M" if count.discriminator else "–",
            duration(times[spec.hash].seconds * settings.steps),
        )
    return table


def _in_words(costs: list[float], together: list[float | None], device: str, lanes: Lanes) -> str:
    """The total time of all runs, and the elapsed time if several run at once.

    Args:
        costs: seconds of each run alone on its device.
        together: seconds of each run while it shares its device; None: not measured.
    """
    from bench.core.progress import duration
    from bench.launch.cost.estimate import with_lanes

    total = f"about {duration(sum(costs))}"
    if lanes.at_once == 1:
        return total
    known = [one for one in together if one is not None]
    said = f"{total} in all"
    if lanes.sharing == 1:
        return f"{said}, {duration(with_lanes(costs, lanes.at_once))} with {lanes.at_once} at once"
    if len(known) == len(costs):
        wall = duration(with_lanes(known, lanes.at_once))
        return f"{said}, {wall} with {lanes.at_once} at once, as `bench speed --jobs {lanes.sharing}` found"
    if device == "cpu":
        wall = duration(with_lanes(costs, lanes.at_once))
        return f"{said}, {wall} with {lanes.at_once} at once, if they do not slow each other"
    return (
        f"{said}, one after the other; {lanes.sharing} that share a GPU have not been measured: "
        f"`bench speed --jobs {lanes.sharing}`"
    )


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with `count` CPU threads in this process, as a worker will."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
