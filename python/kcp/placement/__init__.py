"""Placement: on which physical cluster of its workspace a namespace is, and with it what it holds.

What belongs here: the decision about a namespace and about an object (`plan.py`: values in, values out), and the
controller that writes it. What stays out: whether a physical cluster is well (`kcp.workload`), and how objects get
there (`kcp.syncer`).
"""
