"""What can go wrong while images are built, each with what to do about it in its text."""

from __future__ import annotations


class ImagingFailure(Exception):
    """Root of what this package raises.

    ImagingFailure
    ├── SourcesMissing      there is nothing to build from
    ├── EngineAbsent        no container engine answers
    ├── BaseUnavailable     the base image can be neither pulled nor made
    ├── WheelsUnavailable   pinned wheels could not be collected on the host
    ├── PackagesUnavailable Debian's packages could not be collected
    └── BuildFailed         the engine ran the build and it failed; has the end of its output
    """


class SourcesMissing(ImagingFailure):
    """A file or folder that the build needs is not there."""


class EngineAbsent(ImagingFailure):
    """No container engine answers."""


class BaseUnavailable(ImagingFailure):
    """The base image can be neither pulled nor made here."""


class WheelsUnavailable(ImagingFailure):
    """pip could not collect the pinned wheels, or the project's own wheel could not be built."""


class PackagesUnavailable(ImagingFailure):
    """No Debian mirror could be reached, or the parent image is not Debian."""


class BuildFailed(ImagingFailure):
    """The engine reported a failed step."""
