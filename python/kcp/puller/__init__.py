"""CustomResourceDefinitions made from what a running API server says of its resources.

What belongs here: discovery and OpenAPI of any server read into values, schemas made structural, definitions put
together and written as YAML. What stays out: terminals and files (`kcp.cli`), and what becomes of the definitions. The
source is whatever can `get` a path: a command passes a blocking client, a controller one that it calls from a thread.
"""

from kcp.puller.definitions import name_of
from kcp.puller.discovery import Catalogue, Resource, Source, discover
from kcp.puller.documents import OpenApi
from kcp.puller.pull import Pulled, pull, resources_of
from kcp.puller.schema import structural
from kcp.puller.text import to_yaml

__all__ = [
    "Catalogue",
    "OpenApi",
    "Pulled",
    "Resource",
    "Source",
    "discover",
    "name_of",
    "pull",
    "resources_of",
    "structural",
    "to_yaml",
]
