"""The report: whole, self-contained, escaped, and honest about what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import synthetic

from bench.analysis.entry import Entry, load_entries
from bench.analysis.sections import sections
from bench.core.errors import UsageError
from bench.records.record import MetricResult, RunRecord, read_records, record_path, write_record
from bench.report.escape import markdown_text
from bench.report.facts import facts, measured_protocol
from bench.report.render import ReportFiles, write_report
from bench.report.tables import comparison

HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Collects what a page loads, its ids, its text and its tags; complains about unbalanced tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.tags.append(tag)
        self.loads += [str(held[name]) for name in ("src", "href", "xlink:href", "data") if name in held]
        self.ids += [str(held["id"])] if "id" in held else []
        if tag == "img":
            self.images.append(held)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReportFiles]:
    out = tmp_path_factory.mktemp("city")
    synthetic.write_output(out, "cityscapes")
    return out, write_report([out], out / "report")


def test_files_are_there(city: tuple[Path, ReportFiles]) -> None:
    out, files = city
    assert {p.name for p in (out / "report").iterdir()} == {
        "index.html",
        "report.md",
        "results.csv",
        "differences.csv",
        "figures",
    }
    kinds = {"metrics", "tradeoff", "training", "classes", "spectrum", "colours", "gallery"}
    assert {p.name for p in files.figures} == {f"s1-{kind}.png" for kind in kinds}
    assert all(p.read_bytes()[:4] == b"\x89PNG" for p in files.figures)
    assert not list(out.glob(".partial-*"))
    told = pd.read_csv(files.differences).groupby("metric").size()
    assert set(told) == {3}  # pairs of three variants, in every column with values
    assert {"ssim", "fcn_class_iou", "hf_ratio"} <= set(told.index)


def test_page_is_self_contained(city: tuple[Path, ReportFiles]) -> None:
    html = city[1].html.read_text(encoding="utf-8")
    page = Page(html)
    assert page.loads
    inside = ("#", "data:image/webp;base64,", "data:application/gzip;base64,")
    assert all(load.startswith(inside) for load in page.loads)
    assert not re.search(r"url\((?!#)|@import|\bfetch\(|XMLHttpRequest|<link", html)
    assert len(page.ids) == len(set(page.ids))
    links = {load[1:] for load in page.loads if load.startswith("#")}
    assert links <= set(page.ids)


def test_page_is_accessible(city: tuple[Path, ReportFiles]) -> None:
    html = city[1].html.read_text(encoding="utf-8")
    page = Page(html)
    assert '<html lang="en">' in html
    assert all(image["alt"] for image in page.images)
    assert all(image["loading"] == "lazy" for image in page.images[5:])  # all but the strip at the top
    assert all("scope=" in head for head in re.findall(r"<th\b[^>]*>", html))
    assert page.tags.count("h1") == 1
    assert re.search(r'role="img" aria-label="Bar charts\. FCN pixel acc\.: l1 0\.\d+', html)


def test_gallery_shows_the_same_images_for_all(city: tuple[Path, ReportFiles]) -> None:
    page = Page(city[1].html.read_text(encoding="utf-8"))
    alts = [str(image["alt"]) for image in page.images[:25]]
    strip, alts = alts[:5], alts[5:]
    assert strip == [f"{what} of test image 0000" for what in ("source", "l1", "cgan", "l1+cgan", "target")]
    for name in ("0000", "0010", "0020", "0030"):
        ours = [alt.removesuffix(f" of test image {name}") for alt in alts if alt.endswith(name)]
        assert ours == ["source", "target", "l1", "cgan", "l1+cgan"]


def test_facts_and_headline(city: tuple[Path, ReportFiles]) -> None:
    text = Page(city[1].html.read_text(encoding="utf-8")).text
    assert re.search(
        r"l1\+cgan has the best FCN class IoU: 0\.2\d\d, which is 0\.\d+ above l1 \(95 % interval over "
        r"seeds: 0\.\d+ to 0\.\d+\)\. Real images score 0\.385\.",
        text,
    )
    assert re.search(r"cgan has the best \(lowest\) MAE: 22\.\d\d, which is 1\.\d\d below l1 \(95 %", text)
    assert "Training pairs 400" in text
    assert (
        "fcn-small at 64 px, hash a1b2c3d4 (held-out real photos: pixel accuracy 0.84, class IoU 0.25)"
        in text
    )
    assert "8.7% of the test labels' pixels belong to no class" in text
    assert "Device cpu (AMD EPYC) Commit 0123456789ab" in text
    assert "Not measured in any row: FID, KID (Inception weights are missing" in text
    assert "bench run --variants l1,cgan,l1+cgan --dataset toycity --seeds 0,1" in text


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"device": "cpu"}, "cpu"),  # records of before
        ({"device": "cpu", "processor": "AMD EPYC"}, "cpu (AMD EPYC)"),
        ({"device": "cpu", "processor": "cpu"}, "cpu"),
        ({"device": "cpu", "processor": None}, "cpu"),
        ({"device": "NVIDIA H100", "processor": "AMD EPYC"}, "NVIDIA H100"),
        ({}, None),
    ],
)
def test_the_device_is_named_as_far_as_it_is_known(
    tmp_path: Path, known: dict[str, str], said: str | None
) -> None:
    synthetic.write_run(tmp_path, "l1", 0, environment=known)
    (section,) = sections(load_entries([tmp_path])[0])
    assert dict(facts(section)).get("Device") == said


def test_markdown_has_the_table_and_its_figures(city: tuple[Path, ReportFiles]) -> None:
    text = city[1].markdown.read_text(encoding="utf-8")
    named = re.findall(r"\]\(figures/([^)]+)\)", text)
    assert sorted(named) == sorted(p.name for p in city[1].figures)
    short, head = [line for line in text.splitlines() if line.startswith("| Variant | Seeds |")]
    rows = [line for line in text.splitlines() if line.startswith("| l1+cgan | 2 |")]
    assert short == ("| Variant | Seeds | FCN class IoU (fcn-small) ↑ | FD (Lite0) ↓ | MAE ↓ | HF ratio →1 |")
    for line, row in zip((short, head), rows, strict=True):
        assert line.count("|") == row.count("|")
        assert re.search(r"\*\*0\.2\d\d\*\* ± 0\.00\d", row)
    assert text.count("| real (real images) |") == 2
    assert "| FCN class IoU (fcn-small) ↑ | FD (Lite0) ↓ |" in head
    assert "Within 5 levels ↑" in head
    page = city[1].html.read_text(encoding="utf-8")
    assert 'FCN class IoU <span class="whole">(fcn-small)</span>&nbsp;↑' in page  # whose score it is


def test_markdown_says_the_finding_once(city: tuple[Path, ReportFiles]) -> None:
    text = city[1].markdown.read_text(encoding="utf-8")
    assert text.count("l1+cgan has the best FCN class IoU: ") == 1
    assert text.count(r"cgan has the best (lowest) MAE: ") == 1


def test_one_epoch_is_no_epochs(tmp_path: Path) -> None:
    for steps, words in (
        (400, "400 training pairs, 1 epoch, batch size 1"),
        (800, "400 training pairs, 2 epochs, "),
    ):
        synthetic.write_run(tmp_path / str(steps), "l1", 0, steps=steps)
        (section,) = sections(load_entries([tmp_path / str(steps)])[0])
        assert words in measured_protocol(section)


def test_csv_holds_every_result(city: tuple[Path, ReportFiles]) -> None:
    out, files = city
    frame = pd.read_csv(files.csv, dtype={"protocol": str})
    records = {record.id: record for record in read_records(out)}
    assert len(frame) == sum(len(record.results) for record in records.values())
    assert list(frame.columns) == [
        "id", "dataset", "direction", "size_px", "steps", "label", "kind", "seed", "metric", "value", "low",
        "high", "n", "reason", "goal", "status", "protocol", "protocol_json",
    ]  # fmt: skip
    for line in frame.to_dict("records"):
        result = records[line["id"]].results[line["metric"]]
        assert (result.value is None) == pd.isna(line["value"])
        assert result.value is None or line["value"] == pytest.approx(result.value, rel=1e-12)
        assert result.interval is None or line["low"] == pytest.approx(result.interval[0], rel=1e-12)
        assert result.reason is None or line["reason"] == result.reason
        assert line["n"] == result.n


def test_hostile_names_show_as_text(tmp_path: Path) -> None:
    variant = "<img src=x onerror=alert(1)>|*b* $x$"
    synthetic.write_run(tmp_path, "l1", 0, dataset=HOSTILE, id="a")
    synthetic.write_run(tmp_path, variant, 0, dataset=HOSTILE, id="b")
    synthetic.write_run(
        tmp_path,
        "_gan",
        0,
        dataset=HOSTILE,
        id="c",
        status="failed",
        error=f"boom {HOSTILE} | pipe",
        gallery=None,
    )
    files = write_report([tmp_path], tmp_path / "report")
    html = files.html.read_text(encoding="utf-8")
    page = Page(html)
    assert page.tags.count("script") == 3  # the theme, the values by image as data, and the page's own
    assert html.count("<script") == html.count("</script>") == 3
    assert "alert" not in " ".join(re.findall(r"<script>.*?</script>", html, flags=re.DOTALL))
    assert HOSTILE in page.text
    assert variant in page.text
    assert all(str(image.get("src")).startswith("data:image/webp") for image in page.images)
    text = files.markdown.read_text(encoding="utf-8")
    assert not re.search(r"<(?!sup>|/sup>)", text)
    rows = [line for line in text.splitlines() if line.startswith("|") and "img src" in line]
    assert rows
    assert all(r"&gt;\|\*b\* \$x\$" in row for row in rows)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<b>", "&lt;b&gt;"),
        ("*_[x](y)`~#", r"\*\_\[x\](y)\`\~\#"),
        ("two\nlines\n# head", r"two lines \# head"),
        ("&lt;", "&amp;lt;"),
        (0.5, "0.5"),
    ],
)
def test_markdown_text(given: object, shown: str) -> None:
    assert markdown_text(given) == shown


def test_one_failed_run_only(tmp_path: Path) -> None:
    synthetic.write_run(
        tmp_path, "cgan", 0, status="diverged", error="loss_d was nan at step 12", results={}, details={},
        history=[], gallery=None,
    )  # fmt: skip
    files = write_report([tmp_path], tmp_path / "report")
    text = Page(files.html.read_text(encoding="utf-8")).text
    assert "No run finished: 1 run that diverged." in text
    assert "diverged: loss_d was nan at step 12" in text
    assert files.figures == ()
    frame = pd.read_csv(files.csv)
    assert frame.loc[0, "status"] == "diverged"
    assert frame.loc[0, "reason"] == "loss_d was nan at step 12"


def test_several_data_sets_get_a_section_each(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    bare = {"details": {}, "history": []}
    synthetic.write_run(one, "l1", 0, **bare)
    synthetic.write_run(two, "l1", 0, dataset="facades", **bare)
    synthetic.write_run(two, "l1", 0, dataset="facades", size_px=128, id="big", **bare)
    files = write_report([one, two], tmp_path / "report")
    page = Page(files.html.read_text(encoding="utf-8"))
    for title in (
        "facades, labels to photo at 64 px",
        "facades, labels to photo at 128 px",
        "toycity, labels to photo at 64 px",
    ):
        before = page.text.partition("The paper's claims")[0]
        assert before.count(title) == 2  # in the list of sections, and as its head
    assert {"s1", "s2", "s3"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_missing_images_and_curves_leave_the_rest(tmp_path: Path) -> None:
    record = synthetic.write_run(tmp_path, "l1", 0, details={}, history=[])
    assert record.gallery is not None
    (tmp_path / record.gallery.predictions / "0010.png").unlink()  # type: ignore[operator]
    (tmp_path / record.gallery.targets / "0000.png").write_bytes(b"no image")
    html = write_report([tmp_path], tmp_path / "report").html.read_text(encoding="utf-8")
    gallery = html[html.index('id="s1-images"') : html.index('id="s1-picks"')]
    assert gallery.count("file missing") == 2


def test_images_outside_the_output_are_not_read(tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = synthetic.write_run(out, "l1", 0, details={}, history=[])
    assert record.gallery is not None
    (out / "gallery/x/target/0000.png").rename(tmp_path / "0000.png")
    write_record(out, replace(record, gallery=replace(record.gallery, targets="..")))
    html = write_report([out], out / "report").html.read_text(encoding="utf-8")
    gallery = html[html.index('id="s1-images"') : html.index('id="s1-picks"')]
    assert gallery.count("file missing") == 4


def test_a_second_report_replaces_the_first_and_keeps_other_files(tmp_path: Path) -> None:
    synthetic.write_run(tmp_path, "l1", 0, details={})
    report = tmp_path / "report"
    write_report([tmp_path], report)
    assert (report / "figures/s1-training.png").is_file()
    (report / "figures/mine.png").write_bytes(b"mine")
    (report / "notes.txt").write_text("mine", encoding="utf-8")
    synthetic.write_run(tmp_path, "l1", 0, details={}, history=[])
    write_report([tmp_path], report)
    assert not (report / "figures/s1-training.png").exists()
    assert (report / "figures/mine.png").is_file()
    assert (report / "notes.txt").is_file()


def test_a_damaged_record_leaves_the_old_report(tmp_path: Path) -> None:
    record = synthetic.write_run(tmp_path, "l1", 0, details={}, history=[])
    report = tmp_path / "report"
    before = write_report([tmp_path], report).html.read_bytes()
    record_path(tmp_path, record.id).write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="expected a JSON record"):
        write_report([tmp_path], report)
    assert (report / "index.html").read_bytes() == before
    assert not list(tmp_path.glob(".partial-*"))


def test_variants_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for label in ("l1+cgan/142", "encdec:l1+cgan", "l1+cgan/16", "l1+cgan/1", "encdec:l1", "l1+cgan", "l1"):
        synthetic.write_run(tmp_path, label, 0)
    rows = sections(load_entries([tmp_path])[0])[0].rows
    assert [row.label for row in rows] == [
        "l1", "l1+cgan", "encdec:l1", "encdec:l1+cgan", "l1+cgan/1", "l1+cgan/16", "l1+cgan/142",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((97.91, 0.0034, -2.7e-5, -0.0057), ["97.91", "0.00", "0.00", "-0.01"]),
        ((0.62, 0.0034), ["0.62", "0.00"]),
        ((0.0199, 0.0034, -0.0012), ["0.0199", "0.0034", "-0.0012"]),
        ((2.7e-5, -2.7e-5, 0.0), ["0.00", "0.00", "0.00"]),
    ],
)
def test_a_column_has_one_number_of_decimals(values: tuple[float, ...], shown: list[str]) -> None:
    """Two more than usual where all values are small; no exponent, and no minus before 0."""
    records = []
    for label, value in zip(("l1", "gan", "cgan", "l1+gan"), values, strict=False):
        spec = synthetic.spec(label, 0, dataset="toycity", direction="labels2photo")
        result = MetricResult("grid_artefact", value, 0.0, 40, {"version": 1})
        records.append(RunRecord(label, "run", label, spec, "finished", {"grid_artefact": result}))
    (section,) = sections([Entry(record) for record in records])
    assert [row.cells[0].text for row in comparison(section).rows] == shown
