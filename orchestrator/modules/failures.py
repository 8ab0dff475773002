"""Why a module cannot be started, stopped or restarted."""

from __future__ import annotations


class ModuleFailure(Exception):
    """Root of what is raised at whoever starts and stops modules; the texts hold no secrets.

    ModuleFailure
    ├── BadConfiguration   the configuration cannot be used; nothing has changed
    ├── AlreadyRunning     start of a module that runs; it goes on
    ├── NotStarted         the container or the program in it failed
    └── NoNewModules       the manager is about to stop
    """


class BadConfiguration(ModuleFailure):
    """What was wrong and where."""


class AlreadyRunning(ModuleFailure):
    """The token is the clients' (manager-api 3.2)."""

    def __init__(self) -> None:
        super().__init__("module_already_running")


class NotStarted(ModuleFailure):
    """The module's program did not get as far as serving."""


class NoNewModules(ModuleFailure):
    """No module is started any more."""
