"""kcp: a Kubernetes-compatible API server cut into logical clusters.

Importing the package does nothing and costs nothing; what runs lives in its sub-packages.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
