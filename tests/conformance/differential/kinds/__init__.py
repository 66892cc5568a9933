"""The kinds requests are about: valid bodies, valid changes, and the faults of each kind."""

from tests.conformance.differential.kinds.access import ACCESS
from tests.conformance.differential.kinds.core import CORE, NAMESPACES
from tests.conformance.differential.kinds.definitions import DEFINITIONS
from tests.conformance.differential.kinds.events import EVENTS
from tests.conformance.differential.kinds.instances import INSTANCES, PREPARED

__all__ = ["ACCESS", "CORE", "DEFINITIONS", "EVENTS", "INSTANCES", "NAMESPACES", "PREPARED"]
