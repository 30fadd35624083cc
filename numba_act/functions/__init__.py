"""The activations, one file a family, in the order in which the registry shows them."""
from . import sigmoids, rectifiers, self_gated, smooth, piecewise, hyperbolic, randomized, gated  # noqa: F401, I001
