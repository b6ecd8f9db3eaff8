"""Emulated cellular modems on pseudo-terminals, driven by scripts of what real ones answer."""
