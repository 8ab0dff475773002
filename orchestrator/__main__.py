"""The command `genvm-orchestrator` (`python -m orchestrator` is the same).

Parsing imports next to nothing: a help text, a version or a mistake in the command line is answered at once,
and no command pays for the others.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import developer_arguments
from orchestrator.access import arguments as access_arguments
from orchestrator.engine_filter import arguments as engine_filter_arguments
from orchestrator.imaging import arguments as imaging_arguments
from orchestrator.node import arguments as node_arguments
from orchestrator.node.manager_url import LOCAL_MANAGER
from orchestrator.operations import arguments as operations_arguments
from orchestrator.runtime_name import RuntimeName

if TYPE_CHECKING:
    from orchestrator.settings import Settings


class _ShowVersion(argparse.Action):
    """`--version`: to look it up takes longer than to parse, so not before somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from orchestrator.version import VERSION

        print(f"{parser.prog} {VERSION}")
        parser.exit()


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genvm-orchestrator", description="A GenVM Manager that runs every contract in a container."
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", aliases=["manager"], help="run the manager")
    _add_settings_flags(serve)
    serve.add_argument(
        "--die-with-parent", action="store_true", help="end when the process that started it ends"
    )
    config = commands.add_parser("config", help="show the effective settings")
    shown = config.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    show = shown.add_parser("show", help="print the effective settings as YAML, secrets masked")
    show.add_argument("--json", action="store_true", help="print them as JSON")
    _add_settings_flags(show)
    demo = commands.add_parser("demo", help="deploy and run contracts in containers, and show what happens")
    demo.add_argument("--verbose", action="store_true", help="show the manager's log as well")
    imaging_arguments.add_commands(commands)
    node_arguments.add_commands(commands)
    developer_arguments.add_commands(commands)
    operations_arguments.add_commands(commands)
    access_arguments.add_commands(commands)
    engine_filter_arguments.add_commands(commands)
    operations_arguments.add_reap(commands)
    completion = commands.add_parser("completion", help="print what a shell needs to complete commands")
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])
    return parser


def _add_settings_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="YAML file of settings")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 3999)")
    parser.add_argument("--socket", type=Path, help="serve on this unix socket instead")
    parser.add_argument("--manifest", "--manifest-path", type=Path, help="manifest of executor versions")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where journal and sockets are kept")
    parser.add_argument(
        "--runtime", choices=[name.value for name in RuntimeName], help="what runs instances (default docker)"
    )
    parser.add_argument("--permits", type=int, metavar="N", help="of all runs that are under way")
    parser.add_argument("--log-level", metavar="LEVEL", help="trace, debug, info, warning or error")


def _settings(args: argparse.Namespace) -> Settings:
    from orchestrator.settings import load_settings

    names = ("host", "port", "socket", "manifest", "state_dir", "runtime", "permits", "log_level")
    return load_settings(args.config, **{name: getattr(args, name) for name in names})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. 2: the command line is wrong (argparse says so itself).

    Without `argv` the process is this command's, and ends with it.
    """
    args = parsed(argv)
    args.owns_process = argv is None
    code = 1
    try:
        code = _result(args)
    finally:
        if args.owns_process and threading.active_count() > 1:
            from orchestrator.leaving import end_soon

            end_soon(code)
    return code


def _result(args: argparse.Namespace) -> int:
    try:
        code = _run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_left():
            return 141
        from orchestrator.command_failures import explained

        lines = explained(error)
        if not lines:
            raise
        for line in lines:
            print(f"genvm-orchestrator: {line}", file=sys.stderr)
        return 1
    else:
        return code


def _reader_left() -> bool:
    """Whether nobody reads stdout any more, as behind `head`; then nothing else is written there."""
    import os
    import select

    written = select.poll()
    written.register(sys.stdout.fileno(), 0)
    if not written.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """A command line; `others` are its words for another program. Raises SystemExit for a mistake in it."""
    parser = make_parser()
    args, others = parser.parse_known_args(argv)
    if others and not getattr(args, "takes_others", False):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    args.others = others
    return args


def _run(args: argparse.Namespace) -> int:
    match args.command:
        case "serve" | "manager":
            return _serve(args)
        case "config":
            return _show_config(args)
        case "token":
            from orchestrator.access import cli as access_cli

            return access_cli.run(args)
        case "images":
            from orchestrator.imaging import cli as imaging_cli

            return imaging_cli.run(args)
        case "demo":
            return _demo(args)
        case "engine-filter":
            return _filter_engine(args)
        case "reap":
            return _reap(args)
        case "completion":
            from orchestrator.completion import script

            print(script(make_parser(), args.shell), end="")
            return 0
        case "check":
            return _check(args)
        case "test":
            from orchestrator.testing import command as testing_command

            return testing_command.run(args)
        case command if command in operations_arguments.COMMANDS:
            return _operate(args)
    return _be_a_node(args)


def _serve(args: argparse.Namespace) -> int:
    import os

    from orchestrator import heap

    heap.import_log_alone()
    import structlog

    from orchestrator import event_loop
    from orchestrator.logs import configure_logs, log_what_python_prints
    from orchestrator.serve import serve
    from orchestrator.settings import misspelt

    settings = _settings(args)
    configure_logs(settings.log_level, settings.log_format)
    if args.owns_process:
        log_what_python_prints()
    for name, meant in misspelt(os.environ).items():
        structlog.get_logger(__name__).warning("no_such_setting", variable=name, perhaps=meant)
    event_loop.run(serve(settings, die_with_parent=args.die_with_parent))
    return 0


def _show_config(args: argparse.Namespace) -> int:
    import json

    import yaml

    shown = _settings(args).model_dump(mode="json")
    print(json.dumps(shown, indent=2) + "\n" if args.json else yaml.safe_dump(shown, sort_keys=False), end="")
    return 0


def _operate(args: argparse.Namespace) -> int:
    from orchestrator.logs import configure_logs
    from orchestrator.operations import cli as operations_cli
    from orchestrator.settings import LogFormat

    configure_logs("warning", LogFormat.AUTO)
    return operations_cli.run(args)


def _filter_engine(args: argparse.Namespace) -> int:
    import asyncio

    from orchestrator.engine_filter import cli as engine_filter_cli
    from orchestrator.logs import configure_logs, log_what_python_prints
    from orchestrator.settings import LogFormat

    configure_logs("info", LogFormat.AUTO)
    if args.owns_process:
        log_what_python_prints()
    return asyncio.run(engine_filter_cli.run(args))


def _reap(args: argparse.Namespace) -> int:
    import asyncio

    from orchestrator.logs import configure_logs
    from orchestrator.operations import reaping
    from orchestrator.settings import LogFormat

    configure_logs("warning", LogFormat.AUTO)
    return asyncio.run(reaping.run(args))


def _check(args: argparse.Namespace) -> int:
    import asyncio

    from orchestrator.checking import cli as checking_cli
    from orchestrator.logs import configure_logs
    from orchestrator.settings import LogFormat

    configure_logs("error", LogFormat.TEXT)
    return asyncio.run(checking_cli.run(args))


def _demo(args: argparse.Namespace) -> int:
    import asyncio

    from orchestrator.demo import demo

    return asyncio.run(demo(verbose=args.verbose))


def _be_a_node(args: argparse.Namespace) -> int:
    import asyncio

    from orchestrator.node import cli as node_cli

    if getattr(args, "manager", None) != LOCAL_MANAGER:
        return asyncio.run(node_cli.run(args))
    from orchestrator.logs import configure_logs
    from orchestrator.settings import LogFormat
    from orchestrator.workbench import workbench

    configure_logs("error", LogFormat.TEXT)
    return asyncio.run(node_cli.run(args, workbench))


if __name__ == "__main__":
    sys.exit(main())
