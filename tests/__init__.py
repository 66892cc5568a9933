"""Tests that need more than one module's worth of help from each other import it from here."""
