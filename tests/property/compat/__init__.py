"""Compatibility of schemas: random schemas and objects against another validator and a small model of pruning."""
