"""Random cases, held against models and oracles that share no code with the product."""
