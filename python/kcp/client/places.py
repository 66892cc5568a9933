"""Where objects of a resource are: group, version and resource, and the paths that they make."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A group, version and resource; the group is empty for the core's."""

    group: str
    version: str
    name: str
    """In lower case and plural, as in a URL."""

    @property
    def full_name(self) -> str:
        """`resource.group`, as kubectl writes it."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def api_version(self) -> str:
        """`group/version`, or the version alone in the core's group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str = "") -> str:
        """Return the path of all objects, or of those in a namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{quote(namespace)}/{self.name}" if namespace else f"{root}/{self.name}"

    def object(self, namespace: str, name: str) -> str:
        """Return the path of an object; the namespace is empty for what has none."""
        return f"{self.collection(namespace)}/{quote(name, safe='')}"
