"""The kubeconfig of the administrators, and of the sample user."""

from __future__ import annotations

import base64

# Who the two administrators are: user name → group.
KCP_ADMIN = "kcp-admin"
SHARD_ADMIN = "shard-admin"
GROUPS = {KCP_ADMIN: "system:kcp:admin", SHARD_ADMIN: "system:masters"}
# The sample user of battery `user`: in no group but that of everybody who is known.
SAMPLE_USER = "user"

# Context → cluster entry, user. The first is the current one.
_CONTEXTS = (
    ("root", "root", KCP_ADMIN),
    ("base", "base", KCP_ADMIN),
    ("system:admin", "system:admin", SHARD_ADMIN),
    ("shard-base", "base", SHARD_ADMIN),
    ("user", "root", SAMPLE_USER),
)
_CLUSTERS = (("root", "/clusters/root"), ("base", ""), ("system:admin", "/clusters/system:admin"))


def admin_kubeconfig(url: str, ca: bytes, tokens: dict[str, str]) -> str:
    """Return the file's text: the users that have a token, and their contexts.

    Every value is a URL, base64 or a plain word, so that quotes suffice as YAML.
    """
    authority = base64.b64encode(ca).decode()
    lines = ["apiVersion: v1", "kind: Config", f'current-context: "{_CONTEXTS[0][0]}"', "clusters:"]
    for name, path in _CLUSTERS:
        lines += [f'- name: "{name}"', "  cluster:", f"    certificate-authority-data: {authority}"]
        lines += [f'    server: "{url}{path}"']
    lines.append("contexts:")
    for name, cluster, user in _CONTEXTS:
        if user not in tokens:
            continue
        lines += [f'- name: "{name}"', "  context:", f'    cluster: "{cluster}"', f'    user: "{user}"']
    lines.append("users:")
    for user, token in tokens.items():
        lines += [f'- name: "{user}"', "  user:", f'    token: "{token}"']
    return "\n".join([*lines, ""])
