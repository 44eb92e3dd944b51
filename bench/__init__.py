"""Measures laconic and its peers on the same files in one run: ``python -m bench KIND --data DIR``."""
