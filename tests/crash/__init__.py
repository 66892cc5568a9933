"""The server process killed with SIGKILL in the middle of its work."""
