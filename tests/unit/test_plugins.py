"""Plug-ins: one door, nothing loaded that was not named, and files that fail say so."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from baselines.variants import parse_variant
from bench.core import installed as distribution
from bench.core import plugins
from bench.core.environment import environment
from bench.core.errors import UsageError
from bench.spec.variants import get_variant

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(plugins, "_registered", {group: dict(v) for group, v in plugins._registered.items()})


def test_built_in_names_are_found_without_importing_them() -> None:
    code = (
        "import sys; from bench.core import plugins; "
        "print(*plugins.names('metrics'), *plugins.names('judges'));"
        "sys.exit('torch' in sys.modules or "
        "any(m.startswith('bench.scoring.judges.fcn') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert {"colour", "fid", "segmentation", "fcn8s", "fcn-small"} <= set(done.stdout.split())


def test_a_checkout_that_is_not_installed_has_its_own_metrics_and_judges() -> None:
    """`-S`: no installed package is seen, ours included."""
    code = "from bench.core import plugins; print(*plugins.names('metrics'), *plugins.names('judges'))"
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]
    expected = [*points["pix2pix_bench.metrics"], *points["pix2pix_bench.judges"]]
    assert sorted(done.stdout.split()) == sorted(expected)


def test_what_is_not_installed_is_loaded_and_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_installed", lambda: None)
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())
    monkeypatch.setattr(plugins, "_installed", plugins._installed.__wrapped__)
    assert plugins.load("metrics", "pixels").__name__ == "PixelsMetric"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert environment("cpu")["bench"] == project["version"]
    monkeypatch.setattr(distribution, "_project", dict)  # nor a checkout
    assert plugins.names("metrics") == []
    assert environment("cpu")["bench"] is None


def test_a_registered_plugin_is_listed_and_loaded() -> None:
    marker = object()
    plugins.register("metrics", "mine", marker)
    plugins.register("metrics", "mine", marker)  # the same again is no conflict
    assert "mine" in plugins.names("metrics")
    assert "mine" not in plugins.names("judges")
    assert plugins.load("metrics", "mine") is marker
    with pytest.raises(UsageError, match="registered twice"):
        plugins.register("metrics", "mine", object())


def test_an_entry_point_is_imported_when_named_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_plugin.py").write_text("thing = 'loaded'\n")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("lazy", "lazy_plugin:thing", "pix2pix_bench.metrics")
    monkeypatch.setattr(plugins, "_installed", lambda group: {"lazy": point} if group == "metrics" else {})
    assert plugins.names("metrics") == ["lazy"]
    assert "lazy_plugin" not in sys.modules
    assert plugins.load("metrics", "lazy") == "loaded"


@pytest.mark.parametrize(
    ("group", "listing"), [("metrics", "bench list metrics"), ("cards", "bench list datasets")]
)
def test_an_unknown_name_says_where_to_look(group: plugins.Group, listing: str) -> None:
    with pytest.raises(UsageError, match=f"unknown {group[:-1]} 'nothing'.*`{listing}`"):
        plugins.load(group, "nothing")


def test_a_plugin_file_brings_a_variant(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import replace\nfrom baselines.variants import parse_variant\n"
        "from bench.core.plugins import register\n"
        "register('variants', 'soft', replace(parse_variant('pix2pix'), name='soft', lambda_l1=1.0))\n"
    )
    plugins.load_file(path)
    assert get_variant("soft").lambda_l1 == 1.0
    assert get_variant("pix2pix") == parse_variant("pix2pix")


def test_a_variant_plugin_must_be_a_variant() -> None:
    plugins.register("variants", "odd", {"lambda_l1": 1})
    with pytest.raises(UsageError, match="to be a Variant, found dict"):
        get_variant("odd")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (None, "found none"),
        ("def", "SyntaxError"),
        ("import no_such_module_here", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("from bench.core.errors import UsageError\nraise UsageError('mine')", "mine"),
    ],
)
def test_a_plugin_file_that_fails_is_named(code: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    if code is not None:
        path.write_text(code)
    with pytest.raises(UsageError, match=said):
        plugins.load_file(path)
