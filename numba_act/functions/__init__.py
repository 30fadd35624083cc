"""The activations, one file a family, in the order in which the registry shows them."""
from . import sigmoids, rectifiers, self_gated, piecewise, gated  # noqa: F401, I001
