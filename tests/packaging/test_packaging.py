"""sdist -> wheel -> install elsewhere -> run: what a user gets from pip, without the checkout beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = {
    "datasets/cards": "*.toml",
    "reports/templates": "*.j2",
    "reports/published": "*.toml",
}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an sdist, and the wheel that was built from it alone."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    run(*pip, "--disable-pip-version-check", "--target", target, wheel, cwd=target)
    return target


def python(code: str, installed: Path, cwd: Path) -> str:
    """Run `code` where the installed copy goes before everything, an editable install included."""
    return run(sys.executable, "-P", "-c", code, cwd=cwd, PYTHONPATH=str(installed))


def test_the_importable_top_level_is_bench_and_baselines(installed: Path) -> None:
    found = {path.name for path in installed.iterdir()}
    assert {name for name in found if not name.endswith(".dist-info")} - {"bin"} == {"bench", "baselines"}
    assert sum(name.endswith(".dist-info") for name in found) == 1
    assert (installed / "bench" / "py.typed").is_file()
    assert (installed / "baselines" / "py.typed").is_file()


def test_the_wheel_has_every_module_and_no_tests(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(p.relative_to(ROOT)) for top in ("bench", "baselines") for p in (ROOT / top).rglob("*.py")}
    assert modules <= names
    assert not [name for name in names if name.startswith(("tests/", "datasets/", "reports/"))]
    assert not [name for name in names if name.endswith((".pyc", ".jpg", ".png", ".safetensors"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_has_what_a_developer_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "CHANGELOG.md", "CITATION.cff"} <= names
    assert {"tests/conftest.py", "datasets/cards/toycity.toml", "bench/cli/main.py"} <= names


def test_cards_and_templates_are_found_from_the_installed_copy(installed: Path, tmp_path: Path) -> None:
    code = (
        "import bench, baselines; from bench.core.resources import resource_dir\n"
        "print(bench.__file__, baselines.__file__, sep='\\n')\n"
        f"for name in {list(RESOURCES)!r}: print(resource_dir(name))"
    )
    places = [Path(line) for line in python(code, installed, tmp_path).splitlines()]
    assert all(place.is_relative_to(installed) for place in places)
    for folder, (name, pattern) in zip(places[2:], RESOURCES.items(), strict=True):
        expected = {path.name for path in (ROOT / name).glob(pattern) if not path.name.startswith(".")}
        assert expected <= {path.name for path in folder.glob(pattern)}
        assert expected


def test_every_card_loads_from_the_installed_copy(installed: Path, tmp_path: Path) -> None:
    code = (
        "from bench.data.cards import card_names, load_card\n"
        "print(*[load_card(name).name for name in card_names()])"
    )
    names = set(python(code, installed, tmp_path).split())
    assert {"toycity", "cityscapes", "facades", "maps", "edges2shoes", "edges2handbags", "night2day"} <= names


@pytest.mark.parametrize("command", ["--help", "run --help", "list --help", "--version"])
def test_help_works_and_imports_no_torch(command: str, installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from bench.cli.main import main; sys.argv = ['bench', *" + repr(command.split()) + "]\n"
        "try:\n    main()\nexcept SystemExit as done:\n"
        "    heavy = {'torch', 'pandas', 'skimage', 'scipy', 'seaborn'} & set(sys.modules)\n"
        "    sys.exit(f'imported {heavy}' if heavy else done.code)\n"
    )
    said = python(code, installed, tmp_path)
    assert "bench" in said
    assert list(tmp_path.iterdir()) == []


def test_the_command_is_installed_and_entry_points_resolve(installed: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import distribution\n"
        "for point in distribution('pix2pix-bench').entry_points:\n"
        "    loaded = point.load()\n"
        "    print(point.group, point.name, getattr(loaded, '__module__', loaded.__name__))"
    )
    found = [line.split() for line in python(code, installed, tmp_path).splitlines()]
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"console_scripts": declared["scripts"], **declared["entry-points"]}
    assert {(group, name) for group, name, _ in found} == {
        (g, n) for g, names in groups.items() for n in names
    }
    assert all(module.startswith("bench") for _, _, module in found)
