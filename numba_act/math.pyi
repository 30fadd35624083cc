# Written by ci/stubs.py.
from .declare import _OfOne, _OfTwo

abs: _OfOne
asinh: _OfOne
atan: _OfOne
cbrt: _OfOne
cos: _OfOne
cosh: _OfOne
erf: _OfOne
erfc: _OfOne
exp: _OfOne
exp2: _OfOne
expm1: _OfOne
hypot: _OfTwo
log: _OfOne
log1p: _OfOne
log2: _OfOne
log10: _OfOne
pow: _OfTwo
sin: _OfOne
sinh: _OfOne
sqrt: _OfOne
tan: _OfOne
tanh: _OfOne
