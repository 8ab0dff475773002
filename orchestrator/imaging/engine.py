"""What the builder asks of a container engine, through the Docker SDK's classic builder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import parse_repository_tag
from requests.exceptions import RequestException

from orchestrator.engine_client import CONFUSED, ClientUnusable, engine_client, without_registries
from orchestrator.imaging.failures import BaseUnavailable, BuildFailed, EngineAbsent

CONTENT_LABEL = "io.genvm.orchestrator.image.content"
PROJECT_LABEL = "io.genvm.orchestrator.image.name"
STAGE_LABEL = "io.genvm.orchestrator.image.stage"

# The engine says nothing while a step runs; precompiling the interpreter can take a minute.
SILENCE_SECONDS = 600
# A registry that cannot be reached must not hold up the fallback.
PULL_SILENCE_SECONDS = 30
LOG_TAIL_LINES = 40


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image in the engine: id, tags, size in bytes and labels."""

    image_id: str
    tags: tuple[str, ...]
    size: int
    labels: Mapping[str, str]

    @property
    def content(self) -> str:
        """The digest of what it was built from, empty for a foreign image."""
        return self.labels.get(CONTENT_LABEL, "")


class ImageEngine:
    """Image operations on one engine. Close it, or use it as a context manager."""

    def __init__(self, base_url: str | None = None) -> None:
        """Raises EngineAbsent when nothing answers; without `base_url` DOCKER_HOST or the usual socket."""
        self._base_url = base_url
        try:
            # Builds find their parents in the engine.
            self._api: Any = without_registries(self._client(SILENCE_SECONDS))
            self.architecture = str(self._api.version()["Arch"])
        except ClientUnusable as error:
            raise EngineAbsent(str(error)) from error
        except (DockerException, RequestException) as error:
            raise EngineAbsent(
                "no container engine answers; in a checkout `make engine` starts one on Debian and Ubuntu as "
                f"root, elsewhere start Docker or set DOCKER_HOST ({error})"
            ) from error

    def __enter__(self) -> ImageEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._api.close()

    def find(self, reference: str) -> StoredImage | None:
        """The image behind a tag or id, if the engine has it."""
        try:
            found = self._api.inspect_image(reference)
        except (ImageNotFound, NotFound):
            return None
        return _stored(found)

    def stored(self) -> list[StoredImage]:
        """All images that this project built here, by tag."""
        rows = self._api.images(filters={"label": PROJECT_LABEL})
        found = [self.find(row["Id"]) for row in rows]
        return sorted((image for image in found if image is not None), key=lambda image: image.tags)

    def pull(self, reference: str) -> None:
        """Pull a public image. Raises BaseUnavailable, quickly where no registry can be reached."""
        client = self._client(PULL_SILENCE_SECONDS)
        name, tag = parse_repository_tag(reference)
        try:
            for event in client.pull(name, tag=tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise BaseUnavailable(f"{reference} cannot be pulled: {event['error']}")
        except (DockerException, RequestException, *CONFUSED) as error:
            # Also what a credential helper that is missing, or no name of one, makes of it.
            raise BaseUnavailable(f"{reference} cannot be pulled: {_reason(error)}") from error
        finally:
            client.close()

    def import_root(self, archive: IO[bytes], tag: str, labels: Mapping[str, str]) -> None:
        """Make an image of one layer from the tar of a root. Raises BuildFailed."""
        name, _, version = tag.partition(":")
        changes = [f'LABEL {key}="{value}"' for key, value in sorted(labels.items())]
        # Handed over as a generator: the client would read a file object into memory for its length.
        chunks = iter(lambda: archive.read(1 << 20), b"")
        try:
            answer = self._api.import_image_from_stream(chunks, repository=name, tag=version, changes=changes)
        except (APIError, RequestException) as error:
            raise BuildFailed(f"the engine refused the imported root: {_reason(error)}") from error
        if '"error"' in str(answer):
            raise BuildFailed(f"the engine refused the imported root: {answer}")

    def build(
        self,
        context: IO[bytes],
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        *,
        anew: bool = False,
    ) -> None:
        """Build one image; steps get no network. `anew`: none is taken from an earlier build.

        Raises BuildFailed with the end of the output.
        """
        try:
            stream = self._api.build(
                fileobj=context,
                custom_context=True,
                decode=True,
                rm=True,
                forcerm=True,
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                network_mode="none",
                nocache=anew,
            )
            _follow(stream, tag)
        except (APIError, RequestException) as error:
            raise BuildFailed(f"{tag}: {_reason(error)}") from error
        finally:
            # Earlier stages stay behind as images without a name; the wheels in them are of no further use.
            self._api.prune_images(filters={"dangling": True, "label": STAGE_LABEL})

    def tag(self, image: str, tag: str) -> None:
        name, _, version = tag.rpartition(":")
        self._api.tag(image, name, version, force=True)

    def save(self, reference: str, target: Path) -> None:
        """Write an image into a file, as `docker save` does. Raises BuildFailed."""
        try:
            with target.open("wb") as file:
                for chunk in self._api.get_image(reference):
                    file.write(chunk)
        except (APIError, RequestException) as error:
            raise BuildFailed(f"{reference} cannot be saved: {_reason(error)}") from error

    def load(self, archive: IO[bytes]) -> None:
        """Take in what `save` or `docker save` wrote, compressed or not. Raises BuildFailed."""
        try:
            for event in self._api.load_image(archive):
                if "error" in event:
                    raise BuildFailed(f"the engine refused the image: {event['error']}")
        except (APIError, RequestException) as error:
            raise BuildFailed(f"the engine refused the image: {_reason(error)}") from error

    def drop(self, image_id: str) -> None:
        """Remove an image that lost its last tag, unless a container or a child still needs it."""
        image = self.find(image_id)
        if image is None or image.tags:
            return
        try:
            self._api.remove_image(image_id)
        except APIError:
            return

    def ask_python(self, image: str, code: str) -> str:
        """What a Python one-liner prints inside an image. Raises BuildFailed."""
        container = self._api.create_container(
            image,
            ["python3", "-c", code],
            entrypoint="",
            host_config=self._api.create_host_config(network_mode="none"),
        )["Id"]
        try:
            self._api.start(container)
            status = self._api.wait(container)["StatusCode"]
            output: str = self._api.logs(container).decode(errors="replace")
        except (APIError, RequestException) as error:
            raise BuildFailed(f"{image} does not run python3: {_reason(error)}") from error
        finally:
            self._api.remove_container(container, force=True)
        if status != 0:
            raise BuildFailed(f"{image} does not run python3: {output[-500:]}")
        return output.strip()

    def collect(
        self,
        image: str,
        script: str,
        folder: str,
        target: IO[bytes],
        *,
        environment: Mapping[str, str],
        network: str,
    ) -> None:
        """Run a shell script as root with a network, then write a tar of `folder`. Raises BuildFailed."""
        container = self._api.create_container(
            image,
            ["sh", "-c", script],
            entrypoint="",
            user="0:0",
            environment=dict(environment),
            host_config=self._api.create_host_config(network_mode=network),
        )["Id"]
        try:
            self._api.start(container)
            status = self._api.wait(container)["StatusCode"]
            if status != 0:
                output: str = self._api.logs(container).decode(errors="replace")
                raise BuildFailed(output[-1500:].strip())
            chunks, _ = self._api.get_archive(container, folder)
            for chunk in chunks:
                target.write(chunk)
        except (APIError, RequestException) as error:
            raise BuildFailed(_reason(error)) from error
        finally:
            self._api.remove_container(container, force=True)

    def _client(self, timeout: int) -> Any:
        return engine_client(self._base_url, timeout=timeout)


def _stored(found: Mapping[str, Any]) -> StoredImage:
    return StoredImage(
        image_id=found["Id"],
        tags=tuple(sorted(found.get("RepoTags") or ())),
        size=int(found["Size"]),
        labels=(found.get("Config") or {}).get("Labels") or {},
    )


def _reason(error: Exception) -> str:
    """The engine's own words where it has some, without the address that was asked."""
    return str(getattr(error, "explanation", None) or error)


def _follow(stream: Iterator[Mapping[str, Any]], tag: str) -> None:
    tail: list[str] = []
    for event in stream:
        line = str(event.get("stream", "")).rstrip()
        if line:
            tail = [*tail[-LOG_TAIL_LINES:], line]
        if "error" in event:
            shown = "\n".join(tail)
            raise BuildFailed(f"{tag}: {event['error']}\n{shown}")
