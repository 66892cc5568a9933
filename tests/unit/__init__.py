"""Tests without a server, a folder per room of the package."""
