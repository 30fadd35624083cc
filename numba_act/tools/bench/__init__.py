"""How fast the activations are: against others, as a fused kernel, and what a call costs."""
