"""What physical clusters have in common of an API, and whether a logical cluster serves it.

What belongs here: the kinds APIResourceImport and NegotiatedAPIResource, what follows from them (`agree.py`, `plan.py`,
`definitions.py`: values in, values out), and the two that act on it, the controller and the importer. What stays out:
how schemas are compared (`kcp.compat`), how they are read from a cluster (`kcp.puller`).
"""
