"""Where the runs of a grid execute: this process, local workers, a Ray cluster, Slurm.

`jobs` (what is sent and what comes back), `execute` (one job, here), `driver` (a grid, from its plan to its
outcomes), `board` (what a person sees of it), and a module for each launcher. A launcher decides where a job
executes and knows nothing else; every launcher goes through `execute`, so that the results are the same.
"""

from bench.launch.driver import run_grid, same_runs
from bench.launch.jobs import Advanced, Ended, Event, Job, Launch, Observer, Said, Until
from bench.launch.run_job import Launcher

__all__ = [
    "Advanced",
    "Ended",
    "Event",
    "Job",
    "Launch",
    "Launcher",
    "Observer",
    "Said",
    "Until",
    "run_grid",
    "same_runs",
]
