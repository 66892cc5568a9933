"""Definitions and objects that are shipped in the wheel, as files for people and as bytes for the core."""

from pathlib import Path

# importlib.resources would add 20 ms to every start.
_HERE = Path(__file__).parent


def definitions() -> list[bytes]:
    """Return the CustomResourceDefinitions of the kinds that kcp itself brings, as YAML, sorted by name."""
    return [path.read_bytes() for path in sorted((_HERE / "definitions").glob("*.yaml"))]


def contrib() -> dict[str, bytes]:
    """Return the CustomResourceDefinitions of kinds of Kubernetes that people may add, as YAML by name, sorted.

    Made by `hack/pull-native-kinds` from a real kube-apiserver.
    """
    return {path.stem: path.read_bytes() for path in sorted((_HERE / "contrib").glob("*.yaml"))}


def workspace_types() -> bytes:
    """Return the workspace types that `root` has from its first start, as JSON, each after those it extends."""
    return (_HERE / "workspacetypes.json").read_bytes()
