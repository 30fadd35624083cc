# Written by ci/stubs.py.
from .declare import _OfOne, _OfTwo

abs: _OfOne
"""activation abs(x): The size; its derivative at 0 is 0."""
asinh: _OfOne
"""activation asinh(x): The inverse of the hyperbolic sine."""
atan: _OfOne
"""activation atan(x): The angle from -pi/2 to pi/2 whose tangent is x."""
cbrt: _OfOne
"""activation cbrt(x): The cube root."""
cos: _OfOne
"""activation cos(x): The cosine, exact for arguments of any size."""
cosh: _OfOne
"""activation cosh(x): The hyperbolic cosine."""
erf: _OfOne
"""activation erf(x): The error function."""
erfc: _OfOne
"""activation erfc(x): 1 less the error function, exact in the tail."""
exp: _OfOne
"""activation exp(x): The exponential function."""
exp2: _OfOne
"""activation exp2(x): 2 to the power x."""
expm1: _OfOne
"""activation expm1(x): The exponential function less 1, exact near 0."""
hypot: _OfTwo
"""activation hypot(x, y): The length of a hypotenuse, without overflow on the way."""
log: _OfOne
"""activation log(x): The natural logarithm: -inf at 0, NaN below."""
log1p: _OfOne
"""activation log1p(x): The natural logarithm of 1 + x, exact near 0: -inf at -1, NaN below."""
log2: _OfOne
"""activation log2(x): The logarithm to the base 2: -inf at 0, NaN below."""
log10: _OfOne
"""activation log10(x): The logarithm to the base 10: -inf at 0, NaN below."""
pow: _OfTwo
"""activation pow(x, y): x to the power y, with the rules of C for zeros, infinities and NaN."""
sin: _OfOne
"""activation sin(x): The sine, exact for arguments of any size."""
sinh: _OfOne
"""activation sinh(x): The hyperbolic sine."""
sqrt: _OfOne
"""activation sqrt(x): The square root: NaN below 0."""
tan: _OfOne
"""activation tan(x): The tangent, exact for arguments of any size."""
tanh: _OfOne
"""activation tanh(x): The hyperbolic tangent, from -1 to 1; the sign of zero is kept."""
