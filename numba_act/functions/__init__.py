"""The activations, one file a family, in the order in which the registry shows them."""
from . import sigmoids, rectifiers, self_gated, smooth, piecewise, hyperbolic, periodic, randomized, gated, units  # noqa: F401, I001
