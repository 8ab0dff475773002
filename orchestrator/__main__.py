"""The command `genvm-orchestrator` (`python -m orchestrator` is the same)."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from orchestrator import event_loop
from orchestrator.access import cli as access_cli
from orchestrator.access.credentials import NoCredentials
from orchestrator.access.entries import BadTokens
from orchestrator.contracts.manifest import ManifestError
from orchestrator.engine_filter import cli as engine_filter_cli
from orchestrator.exposure import CannotListen
from orchestrator.imaging import cli as imaging_cli
from orchestrator.logs import configure_logs
from orchestrator.node import cli as node_cli
from orchestrator.operations import cli as operations_cli
from orchestrator.operations import reaping
from orchestrator.runtime.port import RuntimeFailure
from orchestrator.settings import BadConfig, LogFormat, RuntimeName, Settings, load_settings
from orchestrator.state_dir import StateDirUnusable
from orchestrator.store.port import StoreFailure
from orchestrator.version import VERSION


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genvm-orchestrator", description="A GenVM Manager that runs every contract in a container."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", aliases=["manager"], help="run the manager")
    _add_settings_flags(serve)
    serve.add_argument(
        "--die-with-parent", action="store_true", help="end when the process that started it does"
    )
    config = commands.add_parser("config", help="show the effective settings")
    shown = config.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    _add_settings_flags(shown.add_parser("show", help="print them as YAML, secrets masked"))
    demo = commands.add_parser("demo", help="deploy and run contracts in containers, and show what happens")
    demo.add_argument("--verbose", action="store_true", help="show the manager's log as well")
    imaging_cli.add_commands(commands)
    node_cli.add_commands(commands)
    operations_cli.add_commands(commands)
    access_cli.add_commands(commands)
    engine_filter_cli.add_commands(commands)
    reaping.add_command(commands)
    return parser


def _add_settings_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="YAML file of settings")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 3999)")
    parser.add_argument("--socket", type=Path, help="serve on this unix socket instead")
    parser.add_argument("--manifest", "--manifest-path", type=Path, help="manifest of executor versions")
    parser.add_argument("--state-dir", type=Path)
    parser.add_argument("--runtime", choices=[name.value for name in RuntimeName])
    parser.add_argument("--permits", type=int)
    parser.add_argument("--log-level")


def _settings(args: argparse.Namespace) -> Settings:
    names = ("host", "port", "socket", "manifest", "state_dir", "runtime", "permits", "log_level")
    return load_settings(args.config, **{name: getattr(args, name) for name in names})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. 2: the command line is wrong (argparse says so itself)."""
    args = make_parser().parse_args(argv)
    try:
        return _run(args)
    except (
        FileNotFoundError,
        StateDirUnusable,
        ManifestError,
        RuntimeFailure,
        BadTokens,
        NoCredentials,
        CannotListen,
        BadConfig,
    ) as error:
        print(f"genvm-orchestrator: {error}", file=sys.stderr)
        return 1
    except StoreFailure as failure:
        # Databases say what they have to say in several lines.
        print(f"genvm-orchestrator: {' '.join(str(failure).split())}", file=sys.stderr)
        return 1
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in problem["loc"])
            what = problem["msg"].removeprefix("Value error, ")
            print(f"genvm-orchestrator: setting {where}: {what}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace) -> int:
    if args.command in ("serve", "manager"):
        from orchestrator.serve import serve  # noqa: PLC0415 - the other commands start without the server

        settings = _settings(args)
        configure_logs(settings.log_level, settings.log_format)
        event_loop.run(serve(settings, die_with_parent=args.die_with_parent))
        return 0
    if args.command == "config":
        print(yaml.safe_dump(_settings(args).model_dump(mode="json"), sort_keys=False), end="")
        return 0
    if args.command == "token":
        return access_cli.run(args)
    if args.command == "images":
        return imaging_cli.run(args)
    if args.command in operations_cli.COMMANDS:
        configure_logs("warning", LogFormat.AUTO)
        return operations_cli.run(args)
    if args.command == "engine-filter":
        configure_logs("info", LogFormat.AUTO)
        return asyncio.run(engine_filter_cli.run(args))
    if args.command == "reap":
        configure_logs("warning", LogFormat.AUTO)
        return asyncio.run(reaping.run(args))
    if args.command == "demo":
        from orchestrator.demo import demo  # noqa: PLC0415

        return asyncio.run(demo(verbose=args.verbose))
    return asyncio.run(node_cli.run(args))


if __name__ == "__main__":
    sys.exit(main())
