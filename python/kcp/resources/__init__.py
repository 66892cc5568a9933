"""Built-in resources, declared as data.

Names, scope, verbs, columns, subresources, and the strategy each kind follows. What belongs here: the table
`built_in.json` and a typed view of it. What stays out: what a kind means, which is the core's business
(`rust/kcp-apiserver/src/strategy/`), and schemas, which come from the OpenAPI definition each row names.
"""

from kcp.resources._table import (
    Column,
    Group,
    Resource,
    Subresource,
    Version,
    bootstrap_roles,
    built_in,
    read,
)

__all__ = ["Column", "Group", "Resource", "Subresource", "Version", "bootstrap_roles", "built_in", "read"]
