"""The connector's command: it serves until it is told to end, and never ends by itself.

Environment: GENVM_TOKEN, the instance's secret; GENVM_CONNECTOR_PORT; GENVM_IDLE_SECONDS, after which a
program without a manager and without work is sent away; GENVM_CONTROL_DIR, the volume that both share.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from genvm_connector import door, program
from genvm_connector.confinement import confine_connector
from genvm_connector.deadline import Deadline
from genvm_connector.guests import Guests
from genvm_connector.identity import NoIdentity, fresh_identity
from genvm_connector.idle import send_away_when_idle
from genvm_connector.link import Link
from genvm_connector.talk import Talk
from genvm_connector.ways import Ways
from genvm_wire.confinement import FilterRefused
from genvm_wire.hello import Purpose
from genvm_wire.instance_messages import INLET_SOCKET
from genvm_wire.seccomp import ProfileUnsound

CONTROL, WATCH, DEADLINE = "control.sock", "watch.sock", "deadline"
FAILED = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """`directory` is the volume; `port` 0: any."""

    token: str = field(repr=False)
    port: int
    idle: float
    directory: Path
    proof: float = door.PROOF_S

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Terms:
        """Raises ValueError, which repeats no secret."""
        token = environment.get("GENVM_TOKEN", "")
        if len(token) != 64 or not set(token) <= set("0123456789abcdef"):
            raise ValueError("GENVM_TOKEN is not 64 hexadecimal digits")
        return cls(
            token,
            int(environment.get("GENVM_CONNECTOR_PORT", "8443")),
            float(environment.get("GENVM_IDLE_SECONDS", "30")),
            Path(environment.get("GENVM_CONTROL_DIR", "/run/genvm")),
        )


def main() -> int:
    """The process's exit code."""
    # A first process without a handler does not hear it, and the Pod's end would wait for a kill.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        asyncio.run(serve(Terms.of(os.environ), confine_connector))
    except (FilterRefused, NoIdentity, OSError, ProfileUnsound, ValueError) as error:
        sys.stderr.write(f"connector: {error}\n")
    return FAILED


async def serve(terms: Terms, confine: Callable[[], None] = lambda: None) -> None:
    """Until cancelled. `confine`: called once all is there that needs more than serving does.

    Raises NoIdentity, OSError, and what `confine` raises.
    """
    with ExitStack() as held:
        watch = held.enter_context(program.listening(terms.directory / WATCH))
        # The program waits for this one.
        control = held.enter_context(program.listening(terms.directory / CONTROL))
        # Later it may not listen anywhere any more; who connects waits until a job wants it let in.
        inlet = held.enter_context(program.listening(terms.directory / INLET_SOCKET))
        identity = fresh_identity()
        listener = held.enter_context(door.listening(terms.port))
        deadline = Deadline(watch, terms.directory / DEADLINE)
        confine()
        async with asyncio.TaskGroup() as group:
            guests = Guests()
            ways = Ways(guests, group, inlet)
            talk = Talk(program.Program(control), ways, deadline.tell)

            def key_of(purpose: Purpose, number: int | None) -> str | None:
                return guests.ticket(number) if purpose is Purpose.SESSION else terms.token

            async def met(purpose: Purpose, number: int | None, link: Link) -> None:
                if purpose is Purpose.CONTROL:
                    await talk.with_manager(link)
                else:
                    guests.arrived(number, link)

            group.create_task(door.Door(listener, identity, key_of, met, terms.proof).run())
            group.create_task(deadline.run())
            group.create_task(send_away_when_idle(talk, deadline, ways, terms.idle))
