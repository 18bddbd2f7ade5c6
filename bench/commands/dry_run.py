"""What a grid would do and take: `bench run --dry-run`, and the room that is checked before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.estimate import Room, StepTime
    from bench.grid import Plan


def room_of(plans: list[Plan], options: dict[str, Any]) -> Room:
    """What the runs that are not there yet will take."""
    from bench.estimate import room_needed
    from bench.output import RunFiles
    from bench.records import record_path
    from bench.staging import local_folder
    from bench.training import SAMPLE_POINTS

    out = local_folder(options["out"])
    fresh = [
        (spec, plan.dataset, plan.data.test_n)
        for plan in plans
        for spec in plan.runs
        if not record_path(out, spec.id).is_file() and not RunFiles(out, spec.id).checkpoint.is_file()
    ]
    at_once = options.get("jobs") if isinstance(options.get("jobs"), int) else 1
    return room_needed(fresh, options["keep"], SAMPLE_POINTS, at_once or 1)


_PLAN_HEADS = (
    "variant", "seed", "px", "batch", "steps", "epochs", "G", "D", "time",
)  # fmt: skip


def show_plans(plans: list[Plan], device: str, room: Room) -> None:
    """Print the runs, their parameters, the time and the room; `device` trains them."""
    from rich.console import Console
    from rich.table import Table

    from bench.estimate import grid_step_times, parameters, where_from
    from bench.launch import same_runs
    from bench.progress import duration

    console = Console(highlight=False)
    total = 0.0
    sources: list[StepTime] = []
    for plan in plans:
        data = plan.data
        table = Table(
            title=f"{data.name} {data.direction}: {data.train_n} training, {data.test_n} test pairs",
            box=None,
            title_justify="left",
            padding=(0, 2, 0, 0),
        )
        for head in _PLAN_HEADS:
            left = head == "variant"
            table.add_column(head, justify="left" if left else "right", no_wrap=not left, overflow="fold")
        times = grid_step_times(plan.runs, plan.dataset, device)
        sources += times.values()
        for spec in plan.runs:
            settings, count = spec.training, parameters(spec, plan.dataset)
            cost = times[spec.hash].seconds * settings.steps
            total += cost
            table.add_row(
                spec.label,
                str(spec.seed),
                str(settings.size_px),
                str(settings.batch_size),
                str(settings.steps),
                f"{settings.steps * settings.batch_size / data.train_n:.3g}",
                f"{count.generator / 1e6:.2f} M",
                f"{count.discriminator / 1e6:.2f} M" if count.discriminator else "–",
                duration(cost),
            )
        console.print(table)
        for line in same_runs(plan.runs):
            console.print(line)
    console.print("G, D: parameters of generator and discriminator")
    console.print(f"disk: {room}")
    console.print(
        f"training on {device}: about {duration(total)} ({where_from(sources)}); nothing was written"
    )
