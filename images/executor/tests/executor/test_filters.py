"""The executor's own filters, kept where the compiled interpreter is (docs/isolation.md)."""

from __future__ import annotations

from pathlib import Path

from genvm_executor.filters import Filters, filter_paths
from genvm_wire import seccomp


def test_what_was_stored_is_what_would_be_compiled(tmp_path: Path) -> None:
    Filters.compiled().store(tmp_path)
    assert all(path.is_file() for path in filter_paths(tmp_path))
    assert Filters.stored(tmp_path) == Filters.compiled()


def test_what_is_stored_is_not_compiled_again(tmp_path: Path) -> None:
    kept = Filters(b"executor", b"run")
    kept.store(tmp_path)
    assert Filters.stored(tmp_path) == kept


def test_what_is_not_stored_is_compiled(tmp_path: Path) -> None:
    assert Filters.stored(tmp_path) == Filters.compiled()


def test_the_executor_s_is_the_profile_and_the_run_s_is_one_on_top() -> None:
    filters = Filters.compiled()
    assert filters.executor == seccomp.compiled(seccomp.executor_profile())
    assert 0 < len(filters.run) < len(filters.executor)
