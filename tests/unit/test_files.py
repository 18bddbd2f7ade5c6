"""Files are written whole or not at all, and outputs that cannot be written are refused at the start."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from bench.core import files, resources
from bench.core.errors import UsageError
from bench.records import output_folder as output


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    files.write_text(path, "Fréchet\n")
    assert path.read_bytes() == "Fréchet\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    files.write_text(path, "again")
    assert path.read_text() == "again"
    assert os.listdir(path.parent) == ["b.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    files.write_text(path, "old")

    def fail() -> None:
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["b.txt"]


def test_the_temporary_file_lies_beside_and_keeps_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 240 + ".parquet")  # as long as a name may be
    with files.atomic_path(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".parquet")
        temporary.write_bytes(b"1")
    assert path.read_bytes() == b"1"


def test_a_file_is_on_disk_before_it_is_seen_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        order.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{handle}')).name[:5]}")
        fsync(handle)

    def noted_replace(self: Path, target: Path) -> Path:
        order.append(f"rename to {target.name}")
        return replace(self, target)

    monkeypatch.setattr(files.os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    (tmp_path / "outer").mkdir()
    files.write_text(tmp_path / "outer" / "inner" / "b.txt", "new")
    assert order == ["fsync outer", "fsync .tmp-", "rename to b.txt", "fsync inner"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    partial = tmp_path / ".partial-images"

    def fill(names: list[str], error: BaseException | None = None) -> None:
        with files.whole_folder(folder) as fresh:
            assert fresh == partial
            for name in names:
                (fresh / name).write_text(name)
            if error:
                raise error

    with pytest.raises(KeyboardInterrupt):
        fill(["a"], KeyboardInterrupt())
    assert not list(tmp_path.iterdir())
    partial.mkdir()
    (partial / "of a killed process").write_text("")
    assert files.leftovers(tmp_path) == [partial]
    fill(["a", "b"])
    fill(["b", "c"])
    assert sorted(os.listdir(folder)) == ["b", "c"]
    with pytest.raises(OSError, match="full"):
        fill(["d"], OSError("full"))
    assert sorted(os.listdir(folder)) == ["b", "c"]
    assert os.listdir(tmp_path) == ["images"]


def test_damaged_files_are_set_aside_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    for content in ("one", "two"):
        path.write_text(content)
        assert files.set_aside(path).name == "state.safetensors.damaged"
        assert not path.exists()
    assert (tmp_path / "state.safetensors.damaged").read_text() == "two"


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"abc" * 100_000)
    assert files.sha256_file(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_an_output_below_a_file_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UsageError, match="found a file"):
            output.check_writable(out)
    output.check_writable(tmp_path / "new" / "out")
    assert os.listdir(tmp_path) == ["file"]


def test_an_output_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: object) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(output.tempfile, "TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(UsageError, match=f"cannot write to {tmp_path} .*Permission denied"):
        output.check_writable(tmp_path / "out")


def test_a_disk_without_room_is_refused_with_both_figures(tmp_path: Path) -> None:
    output.check_room(tmp_path / "out", 1000)
    with pytest.raises(UsageError, match=r"expected 1,000,000,000,000 MB free .* found [\d,]+ MB"):
        output.check_room(tmp_path / "out", 10**18)


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIX2PIX_BENCH_CACHE", str(tmp_path / "mine"))
    assert resources.cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("PIX2PIX_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert resources.cache_dir() == tmp_path / "xdg" / "pix2pix-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resources.cache_dir() == tmp_path / ".cache" / "pix2pix-bench"
    assert not list(tmp_path.iterdir())


def test_resources_name_both_places_when_missing() -> None:
    assert (resources.resource_dir("datasets/cards") / "toycity.toml").is_file()
    with pytest.raises(UsageError, match=r"_data/no/such or .*/no/such, found neither"):
        resources.resource_dir("no/such")


@pytest.mark.parametrize("text", ["~nobody-of-that-name", "~nobody-of-that-name/net.onnx", "~no\x00body"])
def test_the_home_of_nobody_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="no user of that name"):
        files.named_path(text)


def test_home_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert files.named_path("~/data") == Path("/home/me/data")
    assert files.named_path("data") == Path("data")
