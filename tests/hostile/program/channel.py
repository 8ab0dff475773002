"""Rows 17, 18 and 22: what the control channel must not take, and text that must not get anywhere."""

from __future__ import annotations

import os
import socket
from typing import Any

from .attempts import attempt
from .broken import BROKEN
from .job import Job, connect


def _flood(job: Job, message: dict[str, Any]) -> None:
    frame = job.frame(message)
    while True:
        job.raw(frame)


@attempt
def break_it(job: Job, how: str) -> None:
    BROKEN[how](job)
    job.wait_for_the_end()


@attempt
def flood(job: Job, kind: str) -> None:
    """For as long as the channel takes it."""
    messages: dict[str, dict[str, Any]] = {
        "output": {"kind": "output", "stream": "stdout", "offset": 0, "data": bytes(60_000)},
        "log": {"kind": "log", "records": [{"level": "info", "message": "x" * 200}] * 100},
        "small records": {"kind": "log", "records": [{} for _ in range(10_000)]},
        "finishing": {"kind": "finishing", "run": job.run},
        "resume": {"kind": "resume", "protocol": 1, "run": job.run, "finished": False},
    }
    job.tell_node("flooding")
    _flood(job, messages[kind])


@attempt
def connect_again_and_again(job: Job, times: int) -> None:
    """A new channel instead of the old one, over and over."""
    made = 0
    while made < times:
        try:
            connect()
            made += 1
        except OSError:
            continue
    job.tell_node("connected")
    job.wait_for_the_end()


@attempt
def abuse_the_watch_channel(job: Job, times: int) -> dict[str, int]:
    """The watchdog's way to the manager, used by another: taken over and over, and filled with anything."""
    taken, sent = 0, 0
    for _ in range(times):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(0.05)
        try:
            sock.connect("watch.sock")
            taken += 1
            while True:
                sent += sock.send(bytes(65536))
        except OSError:
            continue
        finally:
            sock.close()
    return {"taken": taken, "sent": sent}


@attempt
def send_descriptors(job: Job, count: int) -> None:
    """Attached to a message that is otherwise right."""
    reader, _ = os.pipe()
    socket.send_fds(job.sock, [job.frame({"kind": "finishing", "run": job.run})], [reader] * count)
    job.wait_for_the_end()


@attempt
def pass_the_host_on(job: Job) -> None:
    """Give the node's connection to the manager, which could be made to use it."""
    socket.send_fds(job.sock, [job.frame({"kind": "finishing", "run": job.run})], [job.host.fileno()])
    job.wait_for_the_end()


@attempt
def write_into_logs(job: Job, text: str) -> dict[str, str]:
    """The text wherever the protocol takes a text: keys and values of records, kinds of statistics."""
    record = dict.fromkeys((text, "level", "event", "timestamp", "run", f"\n{text}"), f"\n{text}")
    job.frames.send({"kind": "log", "records": [record]})
    job.frames.send({**job.result(), "stats": {text: 1}})
    job.frames.receive()
    os._exit(0)


@attempt
def fail_with(job: Job, text: str) -> None:
    job.frames.send({"kind": "failed", "run": job.run, "class": text, "message": text})
    job.frames.receive()
    os._exit(1)
