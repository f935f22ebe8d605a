"""The fused engine's compiled passes."""
