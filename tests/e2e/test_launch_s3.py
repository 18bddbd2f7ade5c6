"""Data and output in S3, against a real server on this machine (moto)."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselines.trainer import Trainer
from bench.cli.main import invoke
from bench.launch.url_output import Staging
from bench.launch.url_store import Mirror, UrlStore, is_url, local_data_root
from bench.records.record import read_records

moto = pytest.importorskip("moto.server", reason="needs moto[server]: pip install -e .[test]")
s3fs = pytest.importorskip("s3fs", reason="needs s3fs: pip install -e .[s3]")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[s3fs.S3FileSystem]:
    """A file system on an empty server of this machine, found through the environment as users do it."""
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()  # the buckets are the process's
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("bucket")
    yield system
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def another_machine(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing is left of the cache, and so of what was staged."""
    monkeypatch.setenv("PIX2PIX_BENCH_CACHE", str(tmp_path / name))


def test_a_grid_lives_in_s3_and_goes_on_elsewhere(
    s3: s3fs.S3FileSystem,
    tmp_path: Path,
    write_pairs,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # type: ignore[no-untyped-def]
    write_pairs(tmp_path / "mine", {"train": 4, "test": 3}, size_px=32)
    s3.put(str(tmp_path / "mine"), "bucket/data/mine", recursive=True)
    grid = [
        "run", "--dataset", "mine", "--variants", "l1,l1+cgan", "--steps", "10", "--size", "32",
        "--device", "cpu", "--base-filters", "4", "--threads", "1",
        "--metrics", "ssim,psnr", "--judge", "none",
    ]  # fmt: skip
    here, there = tmp_path / "out", "s3://bucket/results/grid"
    assert invoke([*grid, "--data-root", str(tmp_path / "mine"), "--out", str(here)]) == 0
    in_s3 = [*grid, "--data-root", "s3://bucket/data/mine", "--out", there]

    step, sent = Trainer.step, []

    def interrupted(self: Trainer) -> None:
        step(self)
        if self.steps_done == 6 and self.variant.name == "l1+cgan" and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))

    monkeypatch.setattr(Trainer, "step", interrupted)
    another_machine(tmp_path, "one", monkeypatch)
    assert invoke(in_s3) == 143
    assert len(s3.glob("bucket/results/grid/runs/*/state.safetensors")) == 1
    another_machine(tmp_path, "two", monkeypatch)
    capfd.readouterr()
    assert invoke(in_s3) == 0
    said = capfd.readouterr().err
    assert "l1 seed 0 (1/2): finished before, skipped" in said
    assert "goes on at step 6" in said
    assert not s3.glob("bucket/results/grid/runs/*/state*"), "what went here goes there"

    wanted = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
    wanted -= {"threads.json"}  # a URL keeps none: its workers have machines of their own
    found = {path.removeprefix("bucket/results/grid/") for path in s3.find("bucket/results/grid")}
    assert wanted <= found
    s3.get("bucket/results/grid/records/", str(tmp_path / "home" / "records") + "/", recursive=True)
    assert [r.results for r in read_records(tmp_path / "home")] == [r.results for r in read_records(here)]
    for path in here.glob("runs/*/checkpoint.safetensors"):
        assert s3.cat(f"bucket/results/grid/{path.relative_to(here).as_posix()}") == path.read_bytes()


def test_data_are_copied_once_and_followed(s3: s3fs.S3FileSystem, tmp_path: Path, cache: Path) -> None:
    for name in ("train/1.png", "train/2.png", "test/1.png"):
        s3.pipe(f"bucket/mine/{name}", name.encode())
    copied: list[int] = []
    count = lambda title: lambda done, total: copied.append(done)  # noqa: E731
    value = local_data_root("mine=s3://bucket/mine", count)
    folder = Path(value.removeprefix("mine="))
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png")) == [
        "test/1.png", "train/1.png", "train/2.png",
    ]  # fmt: skip
    assert local_data_root("mine=s3://bucket/mine", count) == value
    assert copied == [1, 2, 3]
    s3.pipe("bucket/mine/train/1.png", b"other")
    s3.rm("bucket/mine/train/2.png")
    local_data_root("mine=s3://bucket/mine", count)
    assert copied == [1, 2, 3, 1]
    assert (folder / "train/1.png").read_bytes() == b"other"
    assert not (folder / "train/2.png").exists()


def test_a_file_that_changes_while_it_is_uploaded_is_uploaded_again(tmp_path: Path) -> None:
    class Store:
        """Keeps what it is given; the first upload is slower than the next training state."""

        kept: list[bytes] = []  # noqa: RUF012

        def put(self, path: Path, name: str) -> str:
            self.kept.append(path.read_bytes())
            if len(self.kept) == 1:
                path.write_bytes(b"the state after that")
            return str(len(self.kept))

    state = tmp_path / "runs" / "a" / "state.safetensors"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a state")
    mirror = Mirror(Store(), tmp_path)  # type: ignore[arg-type]
    for _ in range(3):
        mirror.push(["runs"])
    assert Store.kept == [b"a state", b"the state after that"]


def test_what_could_not_be_uploaded_is_not_overwritten(s3: s3fs.S3FileSystem, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "records").mkdir(parents=True)
    record = folder / "records" / "a.json"
    record.write_text("1")
    Mirror(UrlStore("s3://bucket/x"), folder).push(["records"])
    record.write_text("22")  # not uploaded: the machine went down
    s3.pipe("bucket/x/records/b.json", b"b")
    again = Mirror(UrlStore("s3://bucket/x"), folder)
    again.pull("records")
    assert (record.read_text(), (folder / "records" / "b.json").read_text()) == ("22", "b")
    again.push(["records"])
    assert s3.cat("bucket/x/records/a.json") == b"22"


def test_bad_urls_and_names_are_refused(
    s3: s3fs.S3FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.launch.url_store._WAIT_SECONDS", 0.0)
    train = [
        "train",
        "--dataset",
        "toycity",
        "--variants",
        "l1",
        "--steps",
        "1",
        "--size",
        "32",
        "--device",
        "cpu",
    ]
    for out in ("nosuch://bucket/x", "s3://no-bucket-of-this-name/x"):
        assert invoke([*train, "--out", out]) == 2
        assert capfd.readouterr().err.strip().count("\n") == 0
    assert invoke([*train, "--data-root", "toycity=s3://bucket/none"]) == 2
    assert "found nothing: check the URL" in capfd.readouterr().err
    assert is_url("s3://a/b")
    assert not is_url("C:/a")
    assert not is_url("a/b")


def test_staging_outlives_a_server_that_fails(s3: s3fs.S3FileSystem, cache: Path) -> None:
    from bench.core.errors import RunFailedError
    from bench.core.progress import Reporter

    staging = Staging("s3://bucket/y", Reporter())
    (staging.folder / "records").mkdir(exist_ok=True)
    (staging.folder / "records" / "a.json").write_text("{}")
    s3.rm("bucket", recursive=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.launch.url_store._WAIT_SECONDS", 0.0)
        with pytest.raises(RunFailedError, match="the same command uploads them"):
            staging.close()

    s3.mkdir("bucket")
    Staging("s3://bucket/y", Reporter()).close()
    assert s3.cat("bucket/y/records/a.json") == b"{}"
