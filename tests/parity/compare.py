"""Whether our trainer and the released code can be told apart: seeds against seeds, metric by metric.

    python tests/parity/compare.py OUT [--ours NAME=FOLDER ...] --to FOLDER

OUT was written by one `bench score` of results folders, with `--name "released l1+cgan s0,..."`: who trained
it, the arm, the seed. `--ours` names an output of `bench run`, or a published folder of our runs such as
reports/reference/cityscapes-128-8-epochs, and what is said of it. For every group of ours against the
released group of the same arm this writes, for each metric, both means with the standard deviation of their
seeds, the difference in units of the pooled standard deviation, and p of Welch's t test (SciPy), with Holm's
correction over the metrics of the pair. A metric is left out where the sides scored it by other versions or
judges.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind

from bench.core.files import write_text
from bench.records.record import MetricResult, finished, read_records

LABEL = re.compile(r"(?P<who>.+) (?P<arm>\S+) s(?P<seed>\d+)")
LEVEL = 0.05
Values = dict[str, list[float]]


def seeds_by_group(out: Path) -> dict[tuple[str, str], Values]:
    """(who, arm) -> metric -> one value a seed."""
    groups: dict[tuple[str, str], Values] = defaultdict(lambda: defaultdict(list))
    for record in finished(read_records(out)):
        if found := LABEL.fullmatch(record.label):
            for key, result in record.results.items():
                if result.value is not None:
                    groups[found["who"], found["arm"]][key].append(result.value)
    return {group: dict(values) for group, values in groups.items()}


def our_runs(who: str, folder: Path, released: Path) -> dict[tuple[str, str], Values]:
    """Runs of ours as groups, in the metrics that both sides scored by one version and judge.

    Fields that differ from the variant's own ("l1+cgan[dropout_at=released]") are what `who` says.
    """
    measures = {
        key: _measure(result)
        for record in finished(read_records(released))
        for key, result in record.results.items()
        if LABEL.fullmatch(record.label)
    }
    groups: dict[tuple[str, str], Values] = defaultdict(lambda: defaultdict(list))
    for record in sorted(finished(read_records(folder)), key=lambda one: one.seed or 0):
        for key, result in record.results.items() if record.kind == "run" else ():
            if result.value is not None and measures.get(key) == _measure(result):
                groups[who, record.label.partition("[")[0]][key].append(result.value)
    return {group: dict(values) for group, values in groups.items()}


def _measure(result: MetricResult) -> tuple[Any, Any]:
    return result.protocol.get("version"), result.protocol.get("judge_hash")


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p values: each times the number of those not smaller, never falling."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.asarray(p)[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]


def against(ours: Values, theirs: Values) -> pd.DataFrame:
    """One line a metric that both have for at least two seeds; NaN where seeds do not vary at all."""
    lines = []
    for key in sorted(ours.keys() & theirs.keys()):
        a, b = np.array(ours[key]), np.array(theirs[key])
        if min(len(a), len(b)) < 2:
            continue
        squares = sum((len(seeds) - 1) * seeds.var(ddof=1) for seeds in (a, b))
        spread = np.sqrt(squares / (len(a) + len(b) - 2))
        lines.append(
            {
                "metric": key, "ours": a.mean(), "ours_sd": a.std(ddof=1), "ours_seeds": len(a),
                "released": b.mean(), "released_sd": b.std(ddof=1), "released_seeds": len(b),
                "difference": a.mean() - b.mean(),
                "in_seed_sd": (a.mean() - b.mean()) / spread if spread else np.nan,
                "p": ttest_ind(a, b, equal_var=False).pvalue if spread else np.nan,
            }
        )  # fmt: skip
    table = pd.DataFrame(lines)
    known = table["p"].notna() if len(table) else []
    if len(table):
        table.loc[known, "p_holm"] = holm(table.loc[known, "p"].tolist())
    return table


def as_markdown(who: str, arm: str, table: pd.DataFrame) -> str:
    """The table of one pair of groups, with a heading and a verdict a line."""
    ours, theirs = int(table["ours_seeds"].max()), int(table["released_seeds"].max())
    lines = [
        f"## {arm}: {who} ({ours} seeds) against the released code ({theirs} seeds)",
        "",
        "| metric | ours | released | difference, in sd of seeds | p (Welch) | p (Holm) | told apart |",
        "|---|---|---|---|---|---|---|",
    ]
    for line in table.to_dict("records"):
        apart = "yes" if line["p_holm"] < LEVEL else "no"
        lines.append(
            f"| {line['metric']} | {line['ours']:.4g} ± {line['ours_sd']:.2g} "
            f"| {line['released']:.4g} ± {line['released_sd']:.2g} | {line['in_seed_sd']:+.1f} "
            f"| {line['p']:.3f} | {line['p_holm']:.3f} | {apart} |"
        )
    return "\n".join([*lines, ""])


def compared(groups: Mapping[tuple[str, str], Values]) -> dict[tuple[str, str], pd.DataFrame]:
    """Every group of ours against the released group of its arm, where that has seeds."""
    pairs = {
        (who, arm): against(values, groups["released", arm])
        for (who, arm), values in groups.items()
        if who != "released" and ("released", arm) in groups
    }
    return {pair: table for pair, table in sorted(pairs.items()) if len(table)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ours", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--to", type=Path, required=True)
    asked = parser.parse_args()
    groups = seeds_by_group(asked.out)
    for who, _, folder in (one.partition("=") for one in asked.ours):
        groups |= our_runs(who, Path(folder), asked.out)
    tables = compared(groups)
    if not tables:
        raise SystemExit(f"expected rows named 'WHO ARM sN' with two seeds a side in {asked.out}, found none")
    asked.to.mkdir(parents=True, exist_ok=True)
    whole = pd.concat([table.assign(who=who, arm=arm) for (who, arm), table in tables.items()])
    whole.to_csv(asked.to / "parity.csv", index=False)
    text = "\n".join(as_markdown(who, arm, table) for (who, arm), table in tables.items())
    write_text(asked.to / "parity.md", "# Parity with the released code\n\n" + text)
    print(text)


if __name__ == "__main__":
    main()
