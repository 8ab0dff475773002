"""The arguments of ps, inspect, logs, gc, doctor, backup and restore. What executes them is `cli`."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestrator.node.arguments import DEFAULT_MANAGER
from orchestrator.node.manager_url import manager_url
from orchestrator.runtime_name import RuntimeName

MANAGER_HELP = f"default: where the settings let it listen; without any {DEFAULT_MANAGER}"
COMMANDS = ("ps", "inspect", "logs", "gc", "doctor", "backup", "restore")


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the program's parser; `run` executes what it parsed."""
    ps = subparsers.add_parser("ps", help="list runs that have not ended")
    ps.add_argument("--all", "-a", action="store_true", help="include ended runs that are still kept")
    ps.add_argument("--json", action="store_true", help="print one JSON list")
    inspect = subparsers.add_parser("inspect", help="everything about one run, as JSON")
    inspect.add_argument("--json", action="store_true", help="as it is printed without this, too")
    logs = subparsers.add_parser("logs", help="what a run printed: stdout to stdout, stderr to stderr")
    for parser in (inspect, logs):
        parser.add_argument("id", type=int, metavar="ID", help="the run's, as `ps` lists it")
    one = logs.add_mutually_exclusive_group()
    for stream in ("stdout", "stderr", "log"):
        one.add_argument(f"--{stream}", dest="stream", action="store_const", const=stream, help="only this")
    logs.add_argument("--json", action="store_true", help="print one JSON object, a key for each stream")
    gc = subparsers.add_parser("gc", help="remove containers and directories that belong to no run")
    gc.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be removed, and why: on the manager's machine",
    )
    gc.add_argument("--json", action="store_true", help="print one JSON object")
    for parser in (ps, inspect, logs, gc):
        parser.add_argument("--manager", type=manager_url, metavar="URL", help=MANAGER_HELP)
    doctor = subparsers.add_parser("doctor", help="check that this machine can run contracts")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.add_argument(
        "--runtime", choices=[name.value for name in RuntimeName], help="check for this one (default docker)"
    )
    backup = subparsers.add_parser(
        "backup", help="write the journal to a file, while the manager runs or not"
    )
    restore = subparsers.add_parser("restore", help="take a backup for the journal; the manager must not run")
    for parser in (backup, restore):
        parser.add_argument("file", type=Path, metavar="FILE", help="the backup")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
    for parser in (ps, inspect, logs, gc, doctor, backup, restore):
        parser.add_argument("--state-dir", type=Path, metavar="DIR", help="state directory of the manager")
        parser.add_argument("--config", type=Path, help="YAML file of settings")


def add_reap(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `reap`; `reaping.run` executes what it parsed."""
    reap = subparsers.add_parser("reap", help="in a cluster: remove what managers that are gone have left")
    reap.add_argument(
        "--managers", required=True, metavar="PREFIX", help="what the ids of these managers begin with"
    )
    reap.add_argument("--namespace", metavar="NAME", help="of the instances; default: the one it runs in")
    reap.add_argument("--json", action="store_true", help="print one JSON object to stdout")
