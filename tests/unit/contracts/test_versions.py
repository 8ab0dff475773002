"""Manifest files and version resolution (manager-api 3.11)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from genvm_wire.host_tables import HOST_TABLES
from orchestrator.contracts.manifest import ManifestError, load_manifest, parse_manifest
from orchestrator.contracts.versions import BadSelector, Manifest, NoCompatibleVersion, Number

EARLY = datetime(2024, 6, 1, tzinfo=UTC)
LATE = datetime(2026, 6, 1, tzinfo=UTC)


def manifest(**versions: str) -> Manifest:
    lines = ["executor_versions:"]
    for name, after in versions.items():
        lines += [f"  {name.replace('_', '.')}:", f'    available_after: "{after}T00:00:00Z"']
    return parse_manifest("\n".join(lines), "genvm-executor:{version}")


def test_the_greatest_available_version_of_the_major_is_taken() -> None:
    versions = manifest(v0_2_9="2024-01-01", v0_2_10="2024-02-01", v0_1_99="2024-01-01", v1_0_0="2024-01-01")
    assert versions.by_major(0, LATE).name == "v0.2.10"


def test_a_version_counts_from_its_time_on() -> None:
    versions = manifest(v0_2_9="2024-01-01", v0_2_10="2025-02-01")
    assert versions.by_major(0, EARLY).name == "v0.2.9"


def test_an_unknown_major_has_the_reference_s_text() -> None:
    with pytest.raises(NoCompatibleVersion, match=r"^no compatible version found for major 7$"):
        manifest(v0_2_9="2024-01-01").by_major(7, LATE)


def test_versions_that_speak_the_caller_s_host_table_come_first() -> None:
    text = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z, host_table: T15a}
  v0.2.12: {available_after: 2024-01-01T00:00:00Z, host_table: T15b}
"""
    versions = parse_manifest(text, "x")
    assert versions.by_major(0, LATE, ("T15a",)).name == "v0.2.7"
    assert versions.by_major(0, LATE, ("T9n",)).name == "v0.2.12"


def test_a_selector_names_a_version_or_a_pattern() -> None:
    versions = manifest(v0_2_9="2024-01-01", v0_2_10="2024-02-01", v1_0_0="2025-12-01")
    assert versions.by_selector("v0.2.9", EARLY).name == "v0.2.9"
    assert versions.by_selector(r"re:^v0\.2", LATE).name == "v0.2.10"
    with pytest.raises(NoCompatibleVersion, match=r"^no line matches version selector `re:\^v9`$"):
        versions.by_selector("re:^v9", LATE)
    with pytest.raises(BadSelector, match="is not a valid regex"):
        versions.by_selector("re:(", LATE)


@pytest.mark.parametrize("name", ["v0.2", "0.2.1.4", "v0.3.0-rc.7", "vx.1.2", "", "v-1.2.3"])
def test_a_name_that_is_no_version_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        Number.parse(name)


def test_a_prerelease_is_ordered_by_its_numbers() -> None:
    assert Number.parse("v0.3.0-rc7") == Number.parse("0.3.0")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("executor_versions: {", "Failed to parse manifest YAML"),
        ("- 1", "Failed to parse manifest YAML"),
        ("executor_versions: {}", "executor_versions"),
        ("executor_versions: {v0.2.1: {}}", r"v0\.2\.1\.available_after"),
        ("executor_versions: {v0.2.1: {available_after: soon}}", "RFC 3339"),
        ("executor_versions: {oops: {available_after: 2024-01-01}}", "oops"),
        (
            "executor_versions: {v0.2.1: {available_after: 2024-01-01, host_table: T99}}",
            "unknown host table 'T99'",
        ),
        (
            "executor_versions: {v0.3.0: {available_after: 2024-01-01}, "
            "v0.3.0-rc7: {available_after: 2024-01-01}}",
            "are the same version",
        ),
    ],
)
def test_a_broken_manifest_says_what_is_wrong_and_where(text: str, complaint: str) -> None:
    with pytest.raises(ManifestError, match=complaint):
        parse_manifest(text, "x")


def test_a_missing_manifest_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"Failed to read manifest file: .*none\.yaml"):
        load_manifest(tmp_path / "none.yaml", "x")


@pytest.mark.parametrize("table", HOST_TABLES)
def test_the_built_in_manifest_serves_major_zero_to_every_node(table: str) -> None:
    version = load_manifest(None, "genvm-executor:latest").by_major(0, LATE, (table,))
    assert (version.image, version.contract_line) == ("genvm-executor:latest", "v0.2")
    assert (version.host_table, version.fuel_width) == (None, None)


def test_a_version_that_names_no_table_speaks_them_all() -> None:
    text = """
executor_versions:
  v0.2.7: {available_after: 2024-01-01T00:00:00Z, host_table: T15a}
  v0.2.12: {available_after: 2024-01-01T00:00:00Z}
  v0.2.13: {available_after: 2024-01-01T00:00:00Z, host_table: T9n}
"""
    versions = parse_manifest(text, "x")
    assert versions.by_major(0, LATE, ("T15a",)).name == "v0.2.12"
    assert versions.by_major(0, LATE, ("T9n",)).name == "v0.2.13"


def test_the_newest_client_gets_the_newest_version_of_any_major_when_its_own_is_missing() -> None:
    versions = manifest(v0_2_9="2024-01-01", v1_0_0="2024-01-01", v2_0_0="2026-01-01")
    assert versions.nearest(7, EARLY).name == "v1.0.0"
    assert versions.nearest(0, EARLY).name == "v0.2.9"
    with pytest.raises(NoCompatibleVersion):
        manifest(v2_0_0="2026-01-01").nearest(2, EARLY)


def test_a_pattern_is_short() -> None:
    versions = manifest(v0_2_9="2024-01-01")
    with pytest.raises(BadSelector, match="is not a valid regex: longer than 64 characters"):
        versions.by_selector("re:" + "v?" * 33, LATE)
    assert versions.by_selector("re:" + "v?" * 32, LATE).name == "v0.2.9"


TWO_LINES = """
executor_versions:
  v0.2.17: {available_after: 2024-01-01T00:00:00Z}
  v0.3.0-rc7: {available_after: 2025-01-01T00:00:00Z, contract_line: v0.3, own_contracts_only: true}
"""


def test_a_version_for_its_own_contracts_is_got_by_name_or_through_the_contract() -> None:
    versions = parse_manifest(TWO_LINES, "x")
    assert versions.by_major(0, LATE, ("T15a",)).name == "v0.2.17"
    assert versions.by_major(0, LATE, ("T9n",), "v0.3").name == "v0.3.0-rc7"
    assert versions.by_major(0, LATE, ("T9n",), "v0.2").name == "v0.2.17"
    for selector in ("v0.3.0-rc7", "v0.3.0", r"re:^v0\.3\."):
        assert versions.by_selector(selector, LATE).name == "v0.3.0-rc7"
    assert versions.by_selector(r"re:^v0\.", LATE).name == "v0.2.17"


def test_another_release_of_a_line_is_served_by_what_serves_the_line() -> None:
    """As for contracts that name it in their headers."""
    versions = parse_manifest(TWO_LINES, "x")
    for name in ("v0.2.18", "v0.2.4", "0.2.99-rc1"):
        assert versions.by_selector(name, LATE).name == "v0.2.17"
    assert versions.by_selector("v0.3.1", LATE).name == "v0.3.0-rc7"
    for name in ("v0.4.0", "v1.2.17", "v0.2", "v0.2.x"):
        with pytest.raises(NoCompatibleVersion, match="is not in the manifest"):
            versions.by_selector(name, LATE)
    with pytest.raises(NoCompatibleVersion):
        versions.by_selector("v0.3.1", EARLY)


def test_an_executor_that_speaks_one_table_is_its_own_release_alone() -> None:
    versions = parse_manifest(TWO_LINES.replace("contract_line", "host_table: T9n, contract_line"), "x")
    assert versions.by_selector("v0.3.0", LATE).name == "v0.3.0-rc7"
    with pytest.raises(NoCompatibleVersion):
        versions.by_selector("v0.3.1", LATE)


def test_whoever_asks_for_a_major_gets_what_else_the_executor_is() -> None:
    versions = parse_manifest(TWO_LINES, "x")
    assert versions.by_major(0, LATE).other_lines == {"v0.3": "v0.3.0-rc7"}
    assert versions.by_major(0, EARLY).other_lines == {}
    assert versions.by_selector("v0.2.17", LATE).other_lines == {}
    elsewhere = TWO_LINES.replace("contract_line", "image: y, contract_line")
    assert parse_manifest(elsewhere, "x").by_major(0, LATE).other_lines == {}
    other_table = TWO_LINES.replace("contract_line", "host_table: T9n, contract_line")
    assert parse_manifest(other_table, "x").by_major(0, LATE, ("T9n",)).other_lines == {}


def test_the_built_in_manifest_has_both_lines() -> None:
    versions = load_manifest(None, "genvm-executor:latest")
    assert versions.by_selector(r"re:^v0\.3\.", LATE).contract_line == "v0.3"
    assert dict(versions.by_major(0, LATE).other_lines) == {"v0.3": versions.by_selector("v0.3.0", LATE).name}
