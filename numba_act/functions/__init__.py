"""The activations, one file a family, in the order in which the registry shows them."""
from . import (  # noqa: F401, I001
    sigmoids, rectifiers, self_gated, smooth, piecewise, hyperbolic, errors, periodic, randomized, gated, units,
)
