"""Comparison tables: aggregation, the bold rule, protocols, the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from rich.console import Console

from bench.analysis.differences import standing
from bench.analysis.entry import Entry
from bench.analysis.picks import picks
from bench.analysis.sections import Section, sections
from bench.records.record import MetricResult, RunRecord, read_records, write_record
from bench.report.headline import headline, one_seed
from bench.report.plots.colours import FIXED, variant_colours
from bench.report.tables import comparison, unranked_words
from bench.report.terminal import terminal_findings, terminal_notes, terminal_table
from bench.scoring.metrics.catalogue import goal_of
from bench.scoring.metrics.confusion import scores_from_confusion

Interval = tuple[float, float] | None


def make(
    label: str, value: float | None, *, key: str = "ssim", interval: Interval = None, seed: int = 0,
    protocol: dict[str, object] | None = None, n: int = 40, reason: str | None = None, steps: int = 800,
) -> RunRecord:  # fmt: skip
    """A run with a single result."""
    goal = goal_of(key)
    result = MetricResult(key, value, goal, n, protocol or {"version": 1}, reason=reason, interval=interval)
    spec = synthetic.spec(label, seed, dataset="toycity", direction="labels2photo", steps=steps)
    return RunRecord(f"{label}-{seed}-{steps}", "run", label, spec, "finished", {key: result})


def one_section(records: Sequence[RunRecord], out: Path | None = None) -> Section:
    (section,) = sections([Entry(record, out) for record in records])
    return section


def bold(records: Sequence[RunRecord], out: Path | None = None) -> list[str]:
    """Labels in bold, over all columns."""
    table = comparison(one_section(records, out))
    return [row.label for row in table.rows for cell in row.cells if cell.best]


def shown(records: Sequence[RunRecord], width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"), color_system=None)  # noqa: SIM115
    console.print(terminal_table(records, width))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def test_terminal_table_golden() -> None:
    records = [
        make("l1+cgan", 0.412, seed=0, interval=(0.40, 0.42)),
        make("l1+cgan", 0.418, seed=1, interval=(0.41, 0.43)),
        make("l1", 0.470, seed=0, interval=(0.46, 0.48)), make("l1", 0.474, seed=1, interval=(0.46, 0.48)),
        replace(
            make("real", None, reason="compares the images with themselves"), kind="reference", id="real",
        ),
    ]  # fmt: skip
    assert shown(records, 80).strip("\n") == (
        "toycity, labels to photo at 64 px (N = 40)\n"
        "\n"
        " variant   seeds          SSIM ↑\n"
        " ───────────────────────────────\n"
        " l1            2   0.472 ± 0.003\n"
        " l1+cgan       2   0.415 ± 0.004"
    )
    assert terminal_findings(records) == [
        "l1 has the best SSIM: 0.472, which is 0.057 above l1+cgan (95 % interval over seeds: 0.039 to "
        "0.075)."
    ]
    assert terminal_notes(records) == [
        "The row real (real images) is left out, because it has no value: compares the images with "
        "themselves."
    ]


def test_findings_of_one_seed_say_so_and_how_many_metrics_are_left_out(tmp_path: Path) -> None:
    for label in ("l1", "cgan"):
        synthetic.write_run(tmp_path, label, 0)
    said = terminal_findings(read_records(tmp_path))
    assert said[-2:] == [
        "Each variant was trained with one seed: another seed may give another order.",
        "7 more metrics are in the report.",  # 11 of them, four shown
    ]
    assert one_seed(one_section([make("l1", 0.5)])) == []  # an order of one


def test_a_column_of_an_fcn_score_names_its_judge() -> None:
    key, both = "fcn_class_iou", [{"judge": "fcn-small"}, {"judge": "fcn-lite0"}]
    records = [make("l1", 0.5, key=key, protocol=both[0]), make("gan", 0.4, key=key, protocol=both[1])]
    heads = [column.head for column in one_section(records).columns]
    assert heads == ["FCN class IoU (a, fcn-small)", "FCN class IoU (b, fcn-lite0)"]
    (column,) = one_section([make("l1", 0.5, key=key, protocol=both[0])]).columns
    assert (column.head, column.title) == ("FCN class IoU (fcn-small)", "FCN class IoU")
    assert "(fcn-small)" in shown([make("l1", 0.5, key=key, protocol=both[0])], 80)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_terminal_table_never_cuts_a_number(tmp_path: Path, width: int) -> None:
    synthetic.write_output(tmp_path)
    records = read_records(tmp_path)
    text = shown(records, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    table = comparison(one_section(records))
    assert len(table.brief) == 4
    for row in table.rows:
        for place in table.brief:
            assert row.cells[place].plain in text


def test_terminal_table_fits_a_hundred_columns_however_wide_the_terminal_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    synthetic.write_every_metric(tmp_path)
    console = Console(width=250, record=True, file=open("/dev/null", "w"), color_system=None)  # noqa: SIM115
    console.print(terminal_table(read_records(tmp_path)))
    assert max(len(line.rstrip()) for line in console.export_text().splitlines()) <= 100


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((0.46, 0.48), (0.40, 0.42), ["l1"]),
        ((0.41, 0.53), (0.40, 0.42), []),  # overlap
        (None, (0.40, 0.42), []),  # nothing to decide by
    ],
)
def test_bold_needs_intervals_apart(ours: Interval, theirs: Interval, expected: list[str]) -> None:
    assert bold([make("l1", 0.47, interval=ours), make("gan", 0.41, interval=theirs)]) == expected


def test_bold_never_with_a_single_row() -> None:
    assert bold([make("l1", 0.47, interval=(0.46, 0.48))]) == []


def test_bold_follows_the_goal() -> None:
    low = make("l1", 4.0, key="fd_lite0", interval=(3.9, 4.1))
    high = make("gan", 6.0, key="fd_lite0", interval=(5.9, 6.1))
    assert bold([low, high]) == ["l1"]
    near = make("l1", 1.2, key="hf_ratio", interval=(1.1, 1.3))
    far = make("gan", 0.3, key="hf_ratio", interval=(0.25, 0.35))
    assert bold([near, far]) == ["l1"]
    mirrored = make("gan", 0.8, key="hf_ratio", interval=(0.7, 0.9))  # as far from 1 on the other side
    assert bold([near, mirrored]) == []


def test_bold_needs_agreeing_seeds() -> None:
    """Their intervals over images are far apart, and every seed beats every seed: still only two seeds."""
    ours = [make("l1", v, seed=s, interval=(v - 0.001, v + 0.001)) for s, v in enumerate((0.60, 0.44))]
    theirs = [make("gan", 0.42, seed=s, interval=(0.4199, 0.4201)) for s in (0, 1)]
    assert bold(ours + theirs) == []
    section = one_section(ours + theirs)
    found = standing(section, section.columns[0])
    assert found is not None
    assert found.decided_by == "seeds"
    assert not found.distinguishable


def test_without_image_intervals_seeds_decide() -> None:
    values = {"l1": (4.0, 4.1, 3.9), "gan": (5.5, 5.6, 5.4)}
    records = [make(k, v, key="fd_lite0", seed=s) for k, vs in values.items() for s, v in enumerate(vs)]
    section = one_section(records)
    found = standing(section, section.columns[0])
    assert found is not None
    assert found.distinguishable
    half = 2.7764451 * np.sqrt(0.01 / 3 * 2)  # t(0.975, 4)
    assert found.over_seeds == pytest.approx((-1.5 - half, -1.5 + half), abs=1e-6)


def test_paired_values_tell_apart_what_intervals_cannot(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(size=40)
    records = []
    for label, shift in (("l1", 0.02), ("gan", 0.0)):
        values = 0.5 + 0.1 * hard + shift + 0.01 * rng.normal(size=40)
        record = make(label, float(values.mean()), interval=(0.45, 0.55))
        names = [f"{i:04d}" for i in range(40)]
        order = rng.permutation(40)  # files need not agree on the order of images
        write_record(tmp_path, record, pd.DataFrame({"name": names, "ssim": values}).iloc[order])
        records.append(record)
    assert bold(records) == []
    assert bold(records, tmp_path) == ["l1"]
    section = one_section(records, tmp_path)
    table = comparison(section)
    assert headline(section, table.standings)[0].startswith("l1 has the best SSIM: 0.5")


def paired_runs(out: Path, key: str, means: dict[str, tuple[float, ...]]) -> Section:
    """Runs with these means, a seed each, over 40 images that are nearly as hard for one as for another."""
    rng, records = np.random.default_rng(8), []
    hard = rng.normal(size=40)
    for label, seeds in means.items():
        for seed, mean in enumerate(seeds):
            pulls = 0.05 * hard + 0.002 * rng.normal(size=40)
            interval = (mean - 0.02, mean + 0.02)
            record = make(label, mean, key=key, seed=seed, interval=interval)
            values = {"name": [str(i) for i in range(40)], f"{key}_pseudo": mean + pulls - pulls.mean()}
            write_record(out, record, pd.DataFrame(values))
            records.append(record)
    return one_section(records, out)


def said_of(section: Section) -> str:
    return headline(section, comparison(section).standings)[0]


def test_the_head_line_quotes_the_wider_interval_and_says_what_it_is_over(tmp_path: Path) -> None:
    spread = {"l1": (0.55, 0.56, 0.57), "gan": (0.50, 0.51, 0.52)}  # Welch: 0.05 ± 0.0227
    said = said_of(paired_runs(tmp_path / "a", "ssim", spread))
    assert said == (
        "l1 has the best SSIM: 0.560, which is 0.050 above gan (95 % interval over seeds: 0.027 to 0.073)."
    )
    close = {"l1": (0.5600, 0.5601), "gan": (0.5100, 0.5101)}
    said = said_of(paired_runs(tmp_path / "b", "ssim", close))
    over = r"\(95 % interval over test images: 0\.049 to 0\.051\)"
    assert re.fullmatch(rf"l1 has the best SSIM: .*, which is 0\.050 above gan {over}\.", said)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_head_line_names_who_comes_next_to_a_target(sign: int, tmp_path: Path) -> None:
    """Below the target and above it alike: how much closer, and the rival."""
    far = {"l1": (0.60, 0.61, 0.62), "gan": (0.70, 0.71, 0.72), "cgan": (0.90, 0.91, 0.92)}
    runs = {label: tuple(1 + sign * value for value in values) for label, values in far.items()}
    said = said_of(paired_runs(tmp_path / "a", "hf_ratio", runs))
    value, next_to_it, farthest = (f"{1 + sign * gap:.3f}" for gap in (0.61, 0.71, 0.91))
    assert said == (
        f"l1 has the best (closest to 1) HF ratio: {value}, which is 0.100 closer than gan with {next_to_it} "
        f"(95 % interval over seeds: 0.077 to 0.123). cgan is farthest away, with {farthest}."
    )
    one = {label: values[:1] for label, values in runs.items() if label != "cgan"}
    said = said_of(paired_runs(tmp_path / "b", "hf_ratio", one))
    other = f"{1 + sign * 0.70:.3f}"
    over = r"\(95 % interval over test images: 0\.09\d to 0\.10\d\)"
    assert re.search(rf", which is 0\.100 closer than gan with {other} {over}\.", said)


def test_a_near_tie_beside_a_target_names_both(tmp_path: Path) -> None:
    runs = {"l1": (0.62, 0.60, 0.61), "gan": (0.585, 0.625, 0.605), "cgan": (0.2, 0.2, 0.2)}
    said = said_of(paired_runs(tmp_path, "hf_ratio", runs))
    assert said.startswith(
        "No clear winner on HF ratio (1 is best): 3 seeds cannot tell l1 (0.610) from gan (0.605). Their "
        "seeds' mean distances from 1 differ by 0.005 (95 % interval over seeds: -0.0"
    )
    assert said.endswith("). cgan is farthest away, with 0.200.")


def test_seeds_on_both_sides_of_a_target_are_as_far_as_each_is(tmp_path: Path) -> None:
    """Means of 1.02 and 0.93, but the seeds of the first are 0.3 away: the interval is around that."""
    runs = {"l1": (0.72, 1.02, 1.32), "gan": (0.92, 0.93, 0.94)}
    said = said_of(paired_runs(tmp_path, "hf_ratio", runs))
    found = re.search(
        r"from 1 differ by (0\.\d+) \(95 % interval over seeds: (-?[\d.]+) to (-?[\d.]+)\)", said
    )
    assert found is not None, said
    gap, low, high = map(float, found.groups())
    assert gap == pytest.approx((0.28 + 0.02 + 0.32) / 3 - 0.07, abs=6e-4)
    assert gap == pytest.approx((low + high) / 2, abs=2e-3)


def test_paired_confusion_matrices(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    records = []
    for label, right in (("l1", 0.5), ("gan", 0.8)):
        matrices = np.stack([rng.multinomial(900, _confusion(right)).reshape(3, 3) for _ in range(40)])
        value = float(scores_from_confusion(matrices.sum(0), "absent-left-out")[2])
        record = make(label, value, key="fcn_class_iou", protocol={"class_policy": "absent-left-out"})
        held = {"name": [str(i) for i in range(40)], "fcn_conf": [m.ravel() for m in matrices]}
        write_record(tmp_path, record, pd.DataFrame(held))
        records.append(record)
    section = one_section(records, tmp_path)
    found = standing(section, section.columns[0])
    assert found is not None
    assert found.first.label == "gan"
    assert found.interval is not None
    assert found.difference is not None
    assert found.interval[0] < found.difference < found.interval[1]
    assert found.basis == "images"


def _confusion(right: float) -> np.ndarray:
    off = (1 - right) / 2
    return (np.full((3, 3), off) + np.eye(3) * (right - off)).ravel() / 3


def test_different_protocols_stand_in_columns_of_their_own() -> None:
    records = [
        make("l1", 0.3, key="fcn_class_iou", protocol={"judge": "a", "size": 64}, interval=(0.29, 0.31)),
        make("gan", 0.2, key="fcn_class_iou", protocol={"judge": "b", "size": 64}, interval=(0.19, 0.21)),
    ]
    section = one_section(records)
    assert [column.title for column in section.columns] == ["FCN class IoU (a)", "FCN class IoU (b)"]
    assert len(section.notes) == 1
    assert "judge: (a) a, (b) b" in section.notes[0]
    assert "size" not in section.notes[0]
    assert bold(records) == []
    table = comparison(section)
    assert [cell.text for cell in table.rows[0].cells] == ["0.300", "–"]
    assert "another protocol" in table.footnotes[0]


def test_distances_of_different_n_do_not_share_a_column() -> None:
    records = [make("l1", 4.0, key="fd_lite0", n=40), make("gan", 5.0, key="fd_lite0", n=50)]
    section = one_section(records)
    assert len(section.columns) == 2
    assert "n: (a) 40, (b) 50" in section.notes[0]


def test_a_row_for_each_training() -> None:
    records = [make("l1", 0.4, steps=800), make("l1", 0.5, steps=1600), make("l1", 0.41, steps=800, seed=1)]
    section = one_section(records)
    assert [row.label for row in section.rows] == ["l1 (steps=800)", "l1 (steps=1600)"]
    assert [row.seeds for row in section.rows] == [[0, 1], [0]]


def test_mean_and_spread_over_seeds() -> None:
    records = [make("l1", value, seed=seed) for seed, value in enumerate((0.40, 0.42, 0.47))]
    (row,) = comparison(one_section(records)).rows
    assert row.cells[0].text == "0.430"
    assert row.cells[0].spread == "0.036"
    assert row.seeds == "3"


def test_a_seed_without_value_is_said() -> None:
    records = [make("l1", 0.40), make("l1", None, seed=1, reason="too small"), make("l1", 0.42, seed=2)]
    table = comparison(one_section(records))
    assert table.rows[0].cells[0].plain == "0.410 ± 0.014 [1]"
    assert table.footnotes == ["too small"]


def test_small_values_are_not_shown_as_zero() -> None:
    (row,) = comparison(one_section([make("l1", 0.00012)])).rows
    assert row.cells[0].text == "0.00012"


def test_colours_are_fixed_distinct_and_stable() -> None:
    labels = ["l1", "cgan", "l1+cgan", "mine", "other"]
    colours = variant_colours(labels)
    assert colours["l1"] == FIXED["l1"]
    assert len(set(colours.values())) == len(labels)
    assert variant_colours(["l1+cgan", "x"])["l1+cgan"] == colours["l1+cgan"]


def test_holm_takes_back_what_one_of_many_would_give(tmp_path: Path) -> None:
    """A difference that is clear alone is none among many columns without one, and the table says so."""
    rng = np.random.default_rng(11)
    keys = ["ssim", "psnr", "mae", "pixel_acc@5", "pixel_acc@10"]
    records = []
    noise = {key: rng.normal(size=40) for key in keys}
    for label, shift in (("l1", 0.38), ("gan", 0.0)):
        columns = {key: 5 + shift * (key == "ssim") + noise[key] * (label == "l1") for key in keys}
        made = [make(label, float(values.mean()), key=key) for key, values in columns.items()]
        record = replace(made[0], results={r.name: r for one in made for r in one.results.values()})
        table = pd.DataFrame({"name": [str(i) for i in range(40)], **columns})
        write_record(tmp_path, record, table)
        records.append(record)
    alone = [replace(record, results={"ssim": record.results["ssim"]}) for record in records]
    assert bold(alone, tmp_path) == ["l1"]
    assert bold(records, tmp_path) == []
    (statement,) = comparison(one_section(records, tmp_path)).statements
    assert statement.startswith("Not clear at 5 %, after Holm's correction over the table's 5 ")
    assert "gan and l1 on all 5 metrics" in statement


def test_many_undecided_differences_are_a_list(tmp_path: Path) -> None:
    """A sentence of many pairs is read by nobody: their number is said, the pairs are listed apart."""
    rng = np.random.default_rng(3)
    noise = {key: rng.normal(size=40) for key in ("ssim", "psnr", "mae")}
    records = []
    for place, label in enumerate(("l1", "gan", "cgan", "l1+gan", "l1+cgan")):
        own = {"ssim": place % 2, "psnr": place % 3, "mae": place // 3}  # equals cannot be told apart
        columns = {key: 9 * own[key] + noise[key] + rng.normal(size=40) for key in noise}
        made = [make(label, float(values.mean()), key=key) for key, values in columns.items()]
        record = replace(made[0], results={r.name: r for one in made for r in one.results.values()})
        write_record(tmp_path, record, pd.DataFrame({"name": [str(i) for i in range(40)], **columns}))
        records.append(record)
    table = comparison(one_section(records, tmp_path))
    (statement,) = table.statements
    assert statement.endswith("the table's 30 differences: 10 of them.")
    listed = {on: set(pairs.split(", ")) for pairs, on in (line.split(" on ") for line in table.undecided)}
    assert listed == {
        "SSIM, MAE": {"cgan and l1"},
        "SSIM": {"gan and l1+gan", "l1 and l1+cgan", "cgan and l1+cgan"},
        "PSNR (dB)": {"l1 and l1+gan", "gan and l1+cgan"},
        "MAE": {"gan and l1", "cgan and gan", "l1+cgan and l1+gan"},
    }


def test_pseudo_values_pair_distances_of_sets(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    shared, records = rng.normal(size=40), []
    for label, value in (("l1", 30.0), ("gan", 31.0)):
        pulls = shared * 20 + rng.normal(size=40)
        record = make(label, value, key="fd_lite0", interval=(value - 6, value + 6))
        pseudo = value + pulls - pulls.mean()
        table = pd.DataFrame({"name": [str(i) for i in range(40)], "fd_lite0_pseudo": pseudo})
        write_record(tmp_path, record, table)
        records.append(record)
    assert bold(records) == []
    assert bold(records, tmp_path) == ["l1"]


def test_ratios_on_one_side_of_their_target_are_paired(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    shared, records = rng.normal(size=40), []
    for label, value in (("l1", 0.5), ("gan", 0.53)):
        pulls = 0.2 * shared + 0.02 * rng.normal(size=40)
        record = make(label, value, key="hf_ratio", interval=(value - 0.06, value + 0.06))
        pseudo = value + pulls - pulls.mean()
        write_record(
            tmp_path, record, pd.DataFrame({"name": [str(i) for i in range(40)], "hf_ratio_pseudo": pseudo})
        )
        records.append(record)
    assert bold(records) == []
    assert bold(records, tmp_path) == ["gan"]
    around = [
        replace(r, results={"hf_ratio": replace(r.results["hf_ratio"], interval=(0.4, 1.1))}) for r in records
    ]
    assert bold(around, tmp_path) == []  # the target may be between them


def test_cautions_of_records_stand_below_the_table() -> None:
    told = replace(make("l1", 4.0, key="fd_lite0"), details={"fd_lite0": {"caution": "N = 40 is few"}})
    assert comparison(one_section([told])).statements == ["FD (Lite0): N = 40 is few."]
    silent = replace(told, details={"fd_lite0": {"caution": None}})
    assert comparison(one_section([silent])).statements == []


def test_warnings_of_trainings_stand_below_the_table() -> None:
    warned = {"training_warnings": [{"sign": "too short", "from_step": 0, "to_step": 1500}]}
    told = [replace(make("l1", 4.0, seed=seed), details=warned) for seed in (0, 1)]
    said = comparison(one_section([*told, make("gan", 4.0)])).statements
    assert [one for one in said if "too short" in one] == ["Training of l1: too short (steps 0 to 1,500)."]


def test_what_only_describes_is_never_best(tmp_path: Path) -> None:
    """A generator of noise is the most diverse: diversity and source response rank nobody."""
    synthetic.write_every_metric(tmp_path)
    section = one_section(read_records(tmp_path), tmp_path)
    table = comparison(section)
    places = {column.info.key: place for place, column in enumerate(table.columns)}
    for key in ("diversity", "source_response"):
        assert key not in table.standings
        assert table.columns[places[key]].arrow == ""
        assert not any(row.cells[places[key]].best for row in table.rows)
    assert any(row.cells[places["lpips"]].best for row in table.rows)
    assert unranked_words(section) == "Diversity and Source response describe and are not ranked."
    assert "Diversity" not in " ".join(headline(section, table.standings))
    alone = one_section([make("l1", 2.0, key="diversity"), make("gan", 9.0, key="diversity")])
    (said,) = headline(alone, comparison(alone).standings)
    assert said == "Only metrics that describe, and do not rank, have values. They stand below."
    assert unranked_words(one_section([make("l1", 0.5)])) == ""


def test_no_image_is_best_by_what_only_describes(tmp_path: Path) -> None:
    record = make("l1", 2.0, key="diversity")
    names = [f"{i:04d}" for i in range(20)]
    write_record(tmp_path, record, pd.DataFrame({"name": names, "diversity": np.arange(20.0)}))
    section = one_section([record], tmp_path)
    assert picks(section) == []
    assert [one.column.info.key for one in picks(section, ("diversity",))] == ["diversity"]  # by name it may


def test_the_usual_n_is_said_and_columns_of_another_are_named() -> None:
    def with_diversity(label: str) -> RunRecord:
        record, other = make(label, 0.5), make(label, 2.0, key="diversity", n=20)
        return replace(record, results={**record.results, **other.results})

    assert comparison(one_section([make("l1", 0.5), make("cgan", 0.4)])).n == "40"
    assert comparison(one_section([with_diversity("l1"), make("cgan", 0.4)])).n == "40 (Diversity: 20)"
