"""Physical clusters: how one is reached, whether it is well, what it serves, and what runs there for kcp.

What belongs here: rules about a registered cluster as plain functions, and the requests that carry them out there. What
stays out: what a syncer does with objects (`kcp.syncer`), and how definitions are read from a server (`kcp.puller`).
"""
