"""Tests of the table of built-in resources."""
