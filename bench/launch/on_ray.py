"""Runs on a Ray cluster: no file system is shared, everything goes through Ray.

An actor on the driver's machine, `Home`, sends a run what it needs (data that the node cannot see, the
trained judge, the state of an interrupted run) and receives its results (records, predictions, checkpoints).
Files move in pieces, so the memory of the driver and of the object store stays flat. A training state comes
home every minute, or less often if sending it would take more than a twentieth of the time; a lost node costs
the training since then.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.core.errors import RunFailedError, UsageError
from bench.launch.jobs import Ended, Job, Observer, Said, event_from_dict
from bench.launch.ray_home import Home, Places
from bench.launch.ray_node import run_on_node
from bench.launch.remote import pinned
from bench.launch.run_job import Runners, failed

_TRIES = 3
_POLL_SECONDS = 0.5
_GRACE_SECONDS = 60.0


class OnRay:
    """A Ray cluster, or one started on this machine for this command.

    Attributes:
        address: HOST:PORT of the cluster's head, "auto", or None.
        cpus, gpus: what Ray reserves for each run; a fraction of a GPU lets several runs share it.
        device: value of `--device`; resolved on the node.
        threads: CPU threads of a run; `cpus` by default.
        share_paths: read data at the driver's path where a node sees the same files there; tests do not.
        state_every: seconds of training between two states sent home.
    """

    def __init__(
        self,
        address: str | None,
        cpus: float,
        gpus: float,
        device: str,
        threads: int | None,
        *,
        share_paths: bool = True,
        state_every: float = 60.0,
    ) -> None:
        try:
            import ray  # noqa: F401
        except ImportError:
            raise UsageError("expected ray, found none: pip install 'pix2pix-bench[ray]'") from None
        if address is not None and "://" in address:
            raise UsageError(
                f"expected HOST:PORT for --ray-address, found '{address}': the driver has to run "
                "on a machine of the cluster, since results come home to it"
            )
        self.address, self.cpus, self.gpus, self.device = address, cpus, gpus, device
        self.threads = threads or max(1, int(cpus))
        self.share_paths, self.state_every = share_paths, state_every

    def run(self, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        """See `bench.launch.run_job.Launcher`."""
        if not jobs:
            return
        import ray

        started = not ray.is_initialized()
        if started:
            try:
                ray.init(
                    self.address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                said = " ".join(str(error).split())[:200]
                raise UsageError(f"no Ray cluster at {self.address or 'this machine'}: {said}") from None
        try:
            _Grid(self, jobs, runners, notify).run()
        finally:
            if started:
                ray.shutdown()


class _Grid:
    """The runs of one grid on the cluster."""

    def __init__(self, plan: OnRay, jobs: Sequence[Job], runners: Runners, notify: Observer) -> None:
        import ray

        self._plan, self._runners, self._notify = plan, runners, notify
        self._waiting = deque(jobs)
        self._tries = dict.fromkeys((job.id for job in jobs), 0)
        self._under_way: dict[Any, Job] = {}  # by Ray's reference of the task
        self._ended: set[str] = set()
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        places = Places.of(jobs, runners)
        self._home: Any = ray.remote(Home).options(num_cpus=0, scheduling_strategy=here).remote(places)
        resources = {"num_cpus": plan.cpus, "num_gpus": plan.gpus, "scheduling_strategy": "SPREAD"}
        self._task = ray.remote(max_calls=1, max_retries=0)(run_on_node).options(**resources)

    def run(self) -> None:
        import ray

        try:
            while self._waiting or self._under_way:
                self._submit()
                over, _ = ray.wait(list(self._under_way), timeout=_POLL_SECONDS)
                self._listen()  # after `wait`, so that all events of ended tasks are here
                for task in over:
                    self._finish(task, self._under_way.pop(task))
        finally:
            self._cancel()

    def _submit(self) -> None:
        """Keep as many tasks submitted as the cluster has room for.

        Submit no more: Ray lends the CPU of a task that waits for a file to the next one in its queue.
        """
        plan, room = self._plan, _room(self._plan)
        while self._waiting and len(self._under_way) < room:
            job = self._waiting.popleft()
            self._tries[job.id] += 1
            task = self._task.remote(
                pinned(job, self._runners).to_dict(),
                plan.device,
                plan.threads,
                self._home,
                plan.share_paths,
                plan.state_every,
            )
            self._under_way[task] = job

    def _listen(self) -> None:
        import ray

        for content in ray.get(self._home.take.remote()):
            event = event_from_dict(content)
            if isinstance(event, Ended):
                if event.job in self._ended:
                    continue
                self._ended.add(event.job)
            self._notify(event)

    def _finish(self, task: Any, job: Job) -> None:
        """Handle the end of a task. If its run has not ended, its worker or node has died."""
        import ray

        if job.id in self._ended:
            return
        try:
            ray.get(task)
            reason = "worker left"
        except ray.exceptions.RayTaskError as error:
            reason = f"{type(error.cause).__name__}: {error.cause}"
        except ray.exceptions.RayError as error:
            reason = f"worker or node died ({type(error).__name__})"
        if self._tries[job.id] < _TRIES:
            self._notify(Said(f"{job.title}: {' '.join(reason.split())[:200]}; it is tried again"))
            self._waiting.append(job)
            return
        self._ended.add(job.id)
        lost = RunFailedError(f"{reason}, {_TRIES} times")
        self._notify(failed(job, partial(self._runners.of, job), lost))

    def _cancel(self) -> None:
        """End running tasks; their states are sent home first."""
        import ray

        for task in self._under_way:
            ray.cancel(task, force=False)
        if self._under_way:
            tasks = list(self._under_way)
            ray.wait(tasks, num_returns=len(tasks), timeout=_GRACE_SECONDS)
        ray.kill(self._home)


def _room(plan: OnRay) -> int:
    """Runs that the cluster's nodes hold at once; 1 if none fits: Ray then says what it waits for."""
    import ray

    room = 0
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"]:
            has = node["Resources"]
            by_gpu = has.get("GPU", 0.0) / plan.gpus if plan.gpus else float("inf")
            room += int(min(has.get("CPU", 0.0) / plan.cpus, by_gpu))
    return max(1, room)
