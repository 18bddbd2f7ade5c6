"""The commit of a copy without history: named by the environment, or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.core import environment
from bench.core.errors import UsageError

HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module lies in a folder that is no checkout."""
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "bench" / "core" / "environment.py"))
    environment.commit_here.cache_clear()
    yield
    environment.commit_here.cache_clear()


@pytest.mark.parametrize("said", ["", None])
def test_it_is_unknown_where_nobody_names_it(said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.NAMED_BY, raising=False)
    if said is not None:
        monkeypatch.setenv(environment.NAMED_BY, said)
    assert environment.commit_here() == {"commit": None, "dirty": None}


def test_it_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.NAMED_BY, HASH)
    assert environment.commit_here() == {"commit": HASH, "dirty": None}


def test_a_checkout_knows_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()  # and no commit in it
    monkeypatch.setenv(environment.NAMED_BY, HASH)
    assert environment.commit_here()["commit"] != HASH


@pytest.mark.parametrize("said", ["main", HASH[:12], HASH.upper(), HASH + "\n"])
def test_what_is_no_hash_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.NAMED_BY, said)
    with pytest.raises(UsageError, match=r"expected the full hash of a commit in \$PIX2PIX_BENCH_COMMIT"):
        environment.commit_here()
