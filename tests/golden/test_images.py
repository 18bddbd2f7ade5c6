"""Images in the page: picks, what the judge sees, values by image, downloads, budget and escaping."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic
from PIL import Image

from bench.analysis.entry import load_entries
from bench.analysis.picks import pick_metrics, picked_names, picks
from bench.analysis.sections import sections
from bench.analysis.viewer_values import image_values, script_json
from bench.core.errors import UsageError
from bench.core.images import read_png, write_palette_png, write_png
from bench.records.gallery import JUDGE, judge_stamp, labels_folder, segmentation_folder
from bench.records.record import GalleryFiles, RunRecord, read_records, write_record
from bench.report.formats import Wanted
from bench.report.gallery import build
from bench.report.image_budget import Album, data_uri
from bench.report.image_sheet import sheet_png
from bench.report.render import write_report

NASTY = ('a"b', "</script><script>alert(1)</script>", "c&d's", "plain")


def section_of(out: Path):  # type: ignore[no-untyped-def]
    (section,) = sections(load_entries([out])[0])
    return section


def write_values(out: Path, label: str, **columns: list[float]) -> RunRecord:
    """A run with these values by image (and their means), images "p0", "p1", ..."""
    record = synthetic.write_run(out, label, 0, details={}, history=[])
    results = {
        key: replace(record.results[key], value=float(np.nanmean(values)), interval=None)
        for key, values in columns.items()
    }
    record = replace(record, results=results)
    count = len(next(iter(columns.values())))
    write_record(out, record, pd.DataFrame({"name": [f"p{i}" for i in range(count)], **columns}))
    return record


def test_best_median_and_worst_follow_the_goal(tmp_path: Path) -> None:
    write_values(
        tmp_path, "l1", mae=[5.0, 1.0, 4.0, 2.0, 3.0, 6.0], fcn_pixel_acc=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    )
    write_values(
        tmp_path, "cgan", mae=[5.0, 1.5, 4.0, 2.0, 9.0, 6.0], fcn_pixel_acc=[0.6, 0.2, 0.3, 0.4, 0.5, 0.1]
    )
    by_judge, by_pixels = picks(section_of(tmp_path))
    assert (by_judge.column.info.key, by_pixels.column.info.key) == ("fcn_pixel_acc", "mae")
    ranked = {
        label: {pick.words: (pick.name, pick.value) for pick in found} for label, found in by_pixels.ranked
    }
    assert ranked["l1"] == {"best": ("p1", 1.0), "median": ("p2", 4.0), "worst": ("p5", 6.0)}
    assert ranked["cgan"]["worst"] == ("p4", 9.0)
    assert dict(by_judge.ranked)["l1"][0].name == "p5"
    apart = by_pixels.disagreements
    assert [one.name for one in apart] == ["p4", "p1"]  # the others are equal
    assert (apart[0].better, apart[0].worse) == ("l1", "cgan")
    assert {one.name for one in by_judge.disagreements} == {"p0", "p5"}
    assert set(picked_names(section_of(tmp_path))) >= {"p0", "p1", "p2", "p4", "p5"}


def test_undefined_values_are_not_picked(tmp_path: Path) -> None:
    nan = float("nan")
    write_values(tmp_path, "l1", ssim=[nan, 0.2, 0.9, 0.4, 0.5, 0.1])
    write_values(tmp_path, "cgan", ssim=[nan, nan, nan, 0.4, 0.5, 0.1])
    (found,) = picks(section_of(tmp_path))
    assert [label for label, _ in found.ranked] == ["l1"]  # the other has too few values
    assert [pick.name for pick in found.ranked[0][1]] == ["p2", "p3", "p5"]
    assert found.disagreements == ()


def test_the_reader_names_the_metrics_to_pick_by(tmp_path: Path) -> None:
    write_values(
        tmp_path,
        "l1",
        ssim=[0.1, 0.2, 0.3, 0.4, 0.5],
        hf_ratio=[0.2, 2.5, 0.9, 1.5, 0.5],
        psnr=[1, 1, 1, 1, 1],
    )
    section = section_of(tmp_path)
    assert [one.column.info.key for one in picks(section)] == ["ssim"]
    by_ratio, by_psnr = picks(section, ("hf_ratio", "psnr"))
    assert [pick.name for pick in by_ratio.ranked[0][1]] == ["p2", "p3", "p1"]  # closest to 1 is best
    assert [pick.name for pick in by_psnr.ranked[0][1]] == ["p4", "p2", "p0"]  # equals by name
    assert set(pick_metrics(section)) == {"ssim", "psnr", "hf_ratio"}
    page = write_report([tmp_path], tmp_path / "report", Wanted(picks=("hf_ratio",))).html.read_text()
    assert "By HF ratio →1" in page
    assert "By SSIM" not in page


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("ssmi", "unknown metric 'ssmi': did you mean 'ssim'"),
        ("fid", r"expected --picks among the metrics with values by image \(ssim, psnr, mae\), found fid"),
    ],
)
def test_what_cannot_be_picked_by_is_refused(tmp_path: Path, key: str, said: str) -> None:
    synthetic.write_run(tmp_path, "l1", 0)
    with pytest.raises(UsageError, match=said):
        write_report([tmp_path], tmp_path / "report", Wanted(picks=("ssim", key)))
    assert not (tmp_path / "report").exists()


def test_few_images_are_not_picked_from(tmp_path: Path) -> None:
    write_values(tmp_path, "l1", ssim=[0.1, 0.2, 0.3, 0.4])
    assert picks(section_of(tmp_path)) == []


def test_values_by_image_are_those_of_the_first_seed(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    held = image_values(section_of(tmp_path))
    assert held is not None
    assert held.labels == ("l1", "cgan", "l1+cgan")
    assert [column.id for column in held.columns] == ["ssim", "psnr", "mae"]
    first = pd.read_parquet(tmp_path / "records" / "toycity-cgan-s0-800.parquet")
    assert held.values["ssim"][1] == pytest.approx(first["ssim"].to_numpy())
    told = json.loads(held.json(64))
    assert told["columns"][0]["ranked"][1][0] == int(first["ssim"].argmax())
    assert told["columns"][2]["ranked"][1][2] == int(first["mae"].argmax())  # the lower the better
    assert told["columns"][0]["values"][1][0] == pytest.approx(first["ssim"][0], rel=1e-4)


def test_too_many_images_are_cut_and_it_is_said(tmp_path: Path) -> None:
    write_values(tmp_path, "l1", ssim=list(np.linspace(0, 1, 2100)))
    held = image_values(section_of(tmp_path))
    assert held is not None
    assert len(held.names) == 2000
    page = write_report([tmp_path], tmp_path / "report").html.read_text(encoding="utf-8")
    assert "The first 2000 of 2100 test images." in page


def test_nothing_ends_the_data_of_a_script() -> None:
    told = script_json({"names": NASTY})
    assert not set("<>&") & set(told)
    assert json.loads(told)["names"] == list(NASTY)


def test_hostile_image_names_show_as_text(tmp_path: Path) -> None:
    """Stems with quotes and markup, in the gallery, the picks, and the values by image."""
    record = synthetic.write_run(tmp_path, "l1", 0, details={}, history=[])
    names = tuple(name for name in NASTY if "/" not in name)
    for name in names:
        for folder in ("gallery/x/source", "gallery/x/target", f"predictions/{record.id}"):
            write_png(tmp_path / folder / f"{name}.png", np.full((8, 8, 3), 90, np.uint8))
    gallery = GalleryFiles(names, f"predictions/{record.id}", "gallery/x/source", "gallery/x/target")
    per_image = pd.DataFrame({"name": [*NASTY, "e"], "ssim": [0.2, 0.1, 0.3, 0.4, 0.5]})
    results = {"ssim": replace(record.results["ssim"], value=0.3)}
    write_record(tmp_path, replace(record, gallery=gallery, results=results), per_image)
    html = write_report([tmp_path], tmp_path / "report").html.read_text(encoding="utf-8")
    assert html.count("</script>") == html.count("<script") == 3
    assert 'data-name="a&#34;b"' in html
    assert "alert(1)</script>" not in html
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in html  # the picked name, as text
    data = re.search(r'id="s1-values-data">(.*?)</script>', html)
    assert data is not None
    assert json.loads(data[1])["names"] == [*NASTY, "e"]


def write_seen(out: Path, record: RunRecord, names: tuple[str, ...]) -> None:
    assert record.gallery is not None
    colours = np.array([[128, 64, 128], [70, 130, 180]], np.uint8)
    seen = np.repeat(np.array([[0], [1]], np.uint8), 2, axis=1)
    for name in names:
        write_palette_png(out / labels_folder(record.gallery) / f"{name}.png", seen, colours)
        write_palette_png(out / segmentation_folder(record) / f"{name}.png", seen[::-1], colours)
    (out / segmentation_folder(record) / JUDGE).write_text(json.dumps(judge_stamp(record)), encoding="utf-8")
    classes = {"road": [128, 64, 128], "<sky>": [70, 130, 180]}
    (out / labels_folder(record.gallery).parent / "classes.json").write_text(json.dumps(classes))


def test_what_the_judge_sees_stands_beside_the_true_labels(tmp_path: Path) -> None:
    record = synthetic.write_run(tmp_path, "l1", 0, details={}, history=[])
    assert record.gallery is not None
    write_seen(tmp_path, record, record.gallery.names)
    gallery = build(section_of(tmp_path), Album())
    assert gallery is not None
    assert gallery.seen is not None
    assert gallery.seen.heads == ("true labels", "l1")
    labels, seen = gallery.seen.rows[0][1]
    assert labels.pixels is not None
    assert seen.pixels is not None
    assert labels.pixels[:, 0].tolist() == [[128, 64, 128], [70, 130, 180]]
    assert (labels.pixels == seen.pixels[::-1]).all()
    html = write_report([tmp_path], tmp_path / "report").html.read_text(encoding="utf-8")
    assert "What the judge sees" in html
    assert "&lt;sky&gt;" in html
    other = replace(record, details={"predictions": "of another training"})
    write_record(tmp_path, other, pd.read_parquet(tmp_path / "records" / f"{record.id}.parquet"))
    gallery = build(section_of(tmp_path), Album())
    assert gallery is not None
    assert gallery.seen is None  # what the judge saw in other outputs is not shown


def test_images_keep_to_their_budget(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    album = Album()
    assert build(section_of(tmp_path), album) is not None
    tight = Album(budget=album.used // 2)
    assert build(section_of(tmp_path), tight) is not None
    assert tight.used <= tight.budget
    assert re.match(r"\d+ images are left out, so that the page stays below 25 MB", tight.note)


def test_small_images_and_label_maps_stay_exact() -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    few = rng.integers(0, 20, (300, 300, 1)).repeat(3, 2).astype(np.uint8)
    for pixels in (rng.integers(0, 256, (64, 64, 3)).astype(np.uint8), few):
        packed = base64.b64decode(data_uri(pixels).split(",")[1])
        assert (np.asarray(Image.open(io.BytesIO(packed)).convert("RGB")) == pixels).all()


def test_palette_images_come_back_as_colours(tmp_path: Path) -> None:
    write_palette_png(
        tmp_path / "x.png", np.array([[0, 1, 255]], np.uint8), np.array([[9, 8, 7], [1, 2, 3]], np.uint8)
    )
    assert read_png(tmp_path / "x.png").tolist() == [[[9, 8, 7], [1, 2, 3], [0, 0, 0]]]


def test_downloads_are_the_files_beside_the_page(tmp_path: Path) -> None:
    synthetic.write_output(tmp_path)
    files = write_report([tmp_path], tmp_path / "report")
    html = files.html.read_text(encoding="utf-8")
    links = re.findall(r'download="([^"]+)" href="data:application/gzip;base64,([^"]+)"', html)
    held = {name: gzip.decompress(base64.b64decode(packed)).decode() for name, packed in links}
    assert set(held) == {"results.csv.gz", "differences.csv.gz", "records.json.gz"}
    assert held["results.csv.gz"] == files.csv.read_text(encoding="utf-8")
    assert held["differences.csv.gz"] == files.differences.read_text(encoding="utf-8")
    told = {record["id"]: record["results"] for record in json.loads(held["records.json.gz"])}
    assert {r.id: r.results["ssim"].value for r in read_records(tmp_path)} == {
        name: results["ssim"]["value"] for name, results in told.items()
    }


def test_of_many_variants_the_best_are_compared_and_it_is_said(tmp_path: Path) -> None:
    for i in range(26):
        synthetic.write_run(
            tmp_path, f"v{i}", 0, details={}, history=[], gallery=None, timings={}, id=f"v{i}"
        )
    files = write_report([tmp_path], tmp_path / "report")
    told = pd.read_csv(files.differences).groupby("metric").size()
    assert set(told) == {15}  # pairs of the best six of each column
    html = files.html.read_text(encoding="utf-8")
    assert "Of the 26 variants, the best 6 of each column are compared with one another." in html
    assert len(re.findall(r'<a href="#s1-v\d', html)) == 26


def photo(seed: int, size_px: int = 256) -> np.ndarray:
    """Shapes, shade and grain, about as hard to compress as a street photo."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size_px, :size_px] / size_px
    image = np.stack([90 + 70 * y, 110 + 50 * x, 100 + 40 * np.sin(6 * x + seed)], -1)
    for _ in range(40):
        top, left, high, wide = rng.integers(0, size_px, 2).tolist() + rng.integers(8, 60, 2).tolist()
        image[top : top + high, left : left + wide] = rng.integers(20, 235, 3)
    return np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.slow
def test_ten_variants_with_24_images_stay_below_25_megabytes(tmp_path: Path) -> None:
    """The gallery, what the judge sees in it, and picks of 100 test images by two metrics, at 256 px."""
    names = tuple(f"{i:04d}" for i in range(0, 96, 4))
    colours = np.random.default_rng(0).integers(0, 256, (19, 3)).astype(np.uint8)
    base = synthetic.write_run(tmp_path, "l1", 0, gallery=None)
    for v in range(10):
        gallery = GalleryFiles(names, f"predictions/v{v}", "gallery/x/source", "gallery/x/target")
        rng = np.random.default_rng(v)
        per_image = pd.DataFrame(
            {
                "name": [f"{i:04d}" for i in range(100)],
                "fcn_pixel_acc": rng.random(100),
                "ssim": rng.random(100),
            }
        )
        results = {**base.results}
        results["ssim"] = replace(results["ssim"], value=float(per_image["ssim"].mean()))
        judge = {**results["fcn_pixel_acc"].protocol, "judge_hash": "a1b2c3d4e5f6"}
        results["fcn_pixel_acc"] = replace(results["fcn_pixel_acc"], protocol=judge)
        spec = {**base.spec, "variant": {**base.spec["variant"], "name": f"v{v}"}}
        record = replace(base, id=f"v{v}", label=f"v{v}", spec=spec, gallery=gallery, results=results)
        write_record(tmp_path, record, per_image)
        for i in range(100):
            write_png(tmp_path / f"predictions/v{v}/{i:04d}.png", photo(1000 * v + i))
        write_seen(tmp_path, record, names)
        for name in names:
            seen = (photo(int(name))[..., 0] // 14).astype(np.uint8)
            write_palette_png(tmp_path / segmentation_folder(record) / f"{name}.png", seen, colours)
    for i in range(100):
        write_png(tmp_path / f"gallery/x/source/{i:04d}.png", photo(i) // 64 * 64)
        write_png(tmp_path / f"gallery/x/target/{i:04d}.png", photo(50000 + i))
    (tmp_path / "records" / f"{base.id}.json").unlink()
    (tmp_path / "records" / f"{base.id}.parquet").unlink()
    html = write_report([tmp_path], tmp_path / "report").html
    size = html.stat().st_size
    print(f"page of {size / 1e6:.1f} MB")
    assert size < 25e6
    text = html.read_text(encoding="utf-8")
    gallery_part = text[text.index('id="s1-images"') : text.index('id="s1-picks"')]
    assert gallery_part.count("<img") == 24 * (12 + 11)  # none of the fixed gallery is left out


def test_the_sheet_enlarges_small_images_and_names_its_columns() -> None:
    rng = np.random.default_rng(0)
    rows = [[rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(3)] for _ in range(2)]
    sheet = np.asarray(Image.open(io.BytesIO(sheet_png(["source", "l1", "source"], [*rows, [None] * 3]))))
    top = sheet.shape[0] - 3 * 98 + 2
    assert sheet.shape[1] == 3 * 98 - 2
    for r, row in enumerate(rows):
        for c, pixels in enumerate(row):
            tile = sheet[top + 98 * r : top + 98 * r + 96, 98 * c : 98 * c + 96]
            assert np.array_equal(tile, pixels.repeat(3, 0).repeat(3, 1))
    assert (sheet[top + 2 * 98 :, :96] == 128).all()
    heads = [sheet[:top, 98 * c : 98 * c + 96] for c in range(3)]
    assert all(head.min() < 100 for head in heads)
    assert np.array_equal(heads[0], heads[2])
    assert not np.array_equal(heads[0], heads[1])


def test_the_sheet_leaves_large_images_as_they_are_and_breaks_long_heads() -> None:
    image = np.full((100, 128, 3), 7, np.uint8)
    name = "l1+cgan (steps=800, lambda_l1=100.0) " * 3
    (one, few, many) = (
        np.asarray(Image.open(io.BytesIO(sheet_png([head], [[image]])))) for head in ("l1", name[:36], name)
    )
    assert all(np.array_equal(sheet[-100:], image) for sheet in (one, few, many))
    assert len(one) < len(few) < len(many) < 200
