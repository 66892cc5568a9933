"""The composition root: options, files, certificates, one `trio.run`, the web application and its bridge.

What belongs here: what makes a process out of the core. Modules import what is heavy (trio, Quart, Hypercorn) only
where it is used: the listener opens before trio is imported, and Quart at the first page.
"""
