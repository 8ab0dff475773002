"""Structured logs: one event name and fields per line, JSON unless a person is looking."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

import structlog

from orchestrator.settings import LogFormat

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

log = structlog.get_logger(__name__)

LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


# What is done to the manager is logged at every level: whoever changes the level cannot hide what follows.
AUDIT = "orchestrator.access.audit"


def configure_logs(level: str, form: LogFormat) -> None:
    """Send everything, the libraries' lines included, to stderr in one form."""
    as_json = form is LogFormat.JSON or (form is LogFormat.AUTO and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # The engine client's own debug lines repeat every request body: not wanted at any level of ours.
    for noisy in ("urllib3", "docker", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger(AUDIT).setLevel(logging.INFO)
    set_level(level)


def set_level(level: str) -> str:
    """Change the level; the level's lower-case name. Raises ValueError for an unknown one."""
    name = level.lower()
    if name not in LEVELS:
        raise ValueError("invalid log level")
    logging.getLogger().setLevel(LEVELS[name])
    return name


def log_what_python_prints() -> None:
    """Its warnings, and exceptions that nothing can raise: it writes them to stderr in a form of its own.

    For a process that is the log's alone, and for good.
    """
    logging.captureWarnings(True)
    # As it prints them whatever is asked for.
    logging.getLogger("py.warnings").setLevel(logging.WARNING)
    threading.excepthook = _thread_failed
    sys.unraisablehook = _unraisable


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = None if args.thread is None else args.thread.name
    log.error("thread_failed", thread=name, exc_info=args.exc_value)


def _unraisable(args: UnraisableHookArgs) -> None:
    try:
        name = getattr(args.object, "__qualname__", None) or type(args.object).__name__
        where = f"{args.err_msg or 'exception ignored in'}: {name}"
        log.error("exception_not_raised", where=where, exc_info=args.exc_value)
    except Exception:
        # The interpreter is ending, or the object's names raise: its own hook bears both.
        sys.__unraisablehook__(args)
