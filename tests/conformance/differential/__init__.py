"""The same random requests to kcp and to a real kube-apiserver, and every answer compared field by field.

What belongs here: the generator (`kinds`, `faults`, `actions`), what it knows of the objects on both sides (`model`),
the comparison (`normal`, `compare`), the shrinking of what differs (`shrink`) and the closed list of what may
differ (`differences.toml`, told in docs/conformance.md). What stays out: requests somebody thought of, which are
scenarios and have recorded answers.

Run it with `python -m tests.conformance.differential`.
"""
