"""Speed and size of kcp beside a real kube-apiserver: one command prints the table of `docs/benchmarks.md`.

What belongs here: drivers, adapters of the systems compared, the load generator (`load/`). What stays out: tests;
nothing here is run by them, and no test asserts a wall-clock time.
"""
