"""The gate as CI runs it: the example workflows' own commands, and the pytest plugin in another project."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from bench.cli.main import invoke

pytest_plugins = ["pytester"]
EXAMPLES = Path(__file__).parent / "examples"
PLUGIN = "bench.gate.pytest_plugin"


def commands(name: str) -> list[list[str]]:
    """The `bench` command lines of an example, in order."""
    content: Any = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    job: dict[str, Any] = content["jobs"]["gate"] if "jobs" in content else content["gate"]
    lines = job.get("script") or [step.get("run", "") for step in job["steps"]]
    return [shlex.split(line)[1:] for line in lines if line.startswith("bench ")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the workflow's run was made and its baseline committed."""
    folder = tmp_path_factory.mktemp("project")
    run, _ = commands("github-gate.yml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert invoke(run) == 0
        assert invoke(["baseline", "out", "gate.json", "--images"]) == 0
    return folder


def worsen(project: Path, to: Path) -> Path:
    """The project's baseline with a better past: ten grey levels less of error."""
    content = json.loads((project / "gate.json").read_text(encoding="utf-8"))
    for row in content["rows"].values():
        if row["kind"] == "run":
            row["metrics"]["mae"]["values"] = [value - 10 for value in row["metrics"]["mae"]["values"]]
    to.write_text(json.dumps({**content, "per_image": None}), encoding="utf-8")
    return to


def test_the_workflows_commands_pass_and_fail_as_they_should(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (run, check), (other_run, other_check) = commands("github-gate.yml"), commands("gitlab-gate.yml")
    assert (run[0], check[0], other_run) == ("run", "check", run)
    monkeypatch.chdir(project)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert invoke(check) == invoke(other_check) == 0
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("## Gate passed")
    assert json.loads((project / "gate-verdicts.json").read_text(encoding="utf-8"))["exit_code"] == 0
    (project / "gate.md").unlink()
    older = worsen(project, tmp_path / "older.json")
    assert invoke([str(older) if word == "gate.json" else word for word in check]) == 1
    suite = ElementTree.parse(project / "gate.xml").find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "1"
    assert "Gate failed" in (project / "gate.md").read_text(encoding="utf-8")
    (project / "gate.md").unlink()
    assert invoke([str(older) if word == "gate.json" else word for word in other_check]) == 1
    assert "Gate failed" in (project / "gate.md").read_text(encoding="utf-8")


def artifacts(name: str) -> set[str]:
    """The paths that an example keeps of its job."""
    content: Any = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    if "jobs" not in content:
        kept = content["gate"]["artifacts"]
        return {*kept["paths"], *kept["reports"].values()}
    (step,) = (step for step in content["jobs"]["gate"]["steps"] if "upload-artifact" in step.get("uses", ""))
    return set(step["with"]["path"].split())


@pytest.mark.parametrize("name", ["github-gate.yml", "gitlab-gate.yml"])
def test_a_workflow_keeps_what_its_gate_writes_and_the_images_that_it_shows(name: str) -> None:
    check = commands(name)[1]
    written = {check[check.index(option) + 1] for option in ("--junit", "--markdown")}
    written |= {check[check.index("--json") + 1]} if "--json" in check else set()
    assert written | {"gate-images", "out/predictions"} == artifacts(name)


@pytest.fixture
def suite(project: Path, pytester: pytest.Pytester) -> pytest.Pytester:
    """Another project whose suite is the example."""
    shutil.copyfile(EXAMPLES / "quality.py", pytester.path / "test_quality.py")
    pytester.plugins = []
    return pytester


def options(project: Path, baseline: Path | None = None) -> list[str]:
    given = ["--bench-out", str(project / "out"), "--bench-baseline", str(baseline or project / "gate.json")]
    return ["-p", PLUGIN, "-p", "no:cacheprovider", *given]


def test_a_projects_suite_passes_by_its_baseline(project: Path, suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess(*options(project)).assert_outcomes(passed=1)
    settings = f"[pytest]\nbench_out = {project / 'out'}\nbench_baseline = {project / 'gate.json'}\n"
    suite.makefile(".ini", pytest=settings)
    suite.runpytest_inprocess(*options(project)[:4]).assert_outcomes(passed=1)


def test_a_projects_suite_fails_with_a_message_that_says_why(
    project: Path, suite: pytest.Pytester, tmp_path: Path
) -> None:
    found = suite.runpytest_inprocess(*options(project, worsen(project, tmp_path / "older.json")))
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*1 regressed*", "*mae of toycity/*: regressed (*a change of +10*"])
    found = suite.runpytest_inprocess("-p", PLUGIN, "--bench-out", str(project / "out"))
    found.stdout.fnmatch_lines(["*give --bench-baseline FILE*"])
    found = suite.runpytest_inprocess(*options(project, tmp_path / "none.json"))
    found.stdout.fnmatch_lines(["*none.json*write one with `bench baseline*"])


def test_the_plugin_loads_nothing_of_the_benchmark() -> None:
    heavy = "[m for m in ('torch', 'pandas', 'numpy', 'click', 'bench.gate.decide') if m in sys.modules]"
    code = f"import sys, {PLUGIN}; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
