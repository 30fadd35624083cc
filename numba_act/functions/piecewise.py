"""Functions made of straight lines and parabolas.

A NaN parameter gives NaN wherever the result depends on it, and where a comparison with it decides.
"""
import math
from fractions import Fraction

from ..declare import declared
from ..scalar import parabolas
from ..scalar.lines import line, on_slope
from ..scalar.pairs import Pair, fast_two_sum, number, rounded_product, split, two_product
from ..scalar.ranges import multiplicand, nan_of, unless_nan
from ..tree.node import copysign, fma, where
from . import reference

SIXTH = Fraction(1, 6)


@declared(formula=r"\min(\max(0, x), 6)")
def relu6(x):
    """The rectifier, at most 6; its derivative at 0 and at 6 is 0.

    Source: A. Krizhevsky, Convolutional deep belief networks on CIFAR-10, 2010.

    >>> act.relu6(np.float32([-1, 2, 8]))
    array([0., 2., 6.], dtype=float32)
    """
    return 0 if x <= 0 else 6 if x >= 6 else x


@relu6.derivative
def _(x):
    return 1 if 0 < x < 6 else 0 if x <= 0 else 0 if x >= 6 else x


@relu6.from_result
def _(y):
    return 1 if 0 < y < 6 else 0 if y <= 0 else 0 if y >= 6 else y


@relu6.reference
def _(x):
    return 0 if x <= 0 else 6 if x >= 6 else x, 1 if 0 < x < 6 else 0


@declared(aliases=("squared_relu", "relu_sq", "srelu"), formula=r"\max(0, x)^2")
def relu2(x):
    """The square of the rectifier.

    Source: D. R. So et al., Primer: searching for efficient transformers for language modeling, 2021.

    >>> act.relu2(np.float32([-1, 2, 3]))
    array([0., 4., 9.], dtype=float32)
    """
    right = 0 if x <= 0 else x
    return right * right


@relu2.derivative
def _(x):
    return 0 if x <= 0 else 2 * x


@relu2.reference
def _(x):
    return x * x if x > 0 else 0, 2 * x if x > 0 else 0


@declared(aliases=("thresholded_relu", "trelu"),
          formula=r"\begin{cases} x & x > \theta \\ \mathrm{value} & x \le \theta \end{cases}")
def threshold(x, theta=1.0, value=0.0):
    """x above the threshold theta, a fixed value up to it; the derivative at theta is 0.

    Source: K. Konda et al., Zero-bias autoencoders and the benefits of co-adapting features, 2014.

    >>> act.threshold(np.float32([-1, 1, 2]), 1, 0.5)
    array([0.5, 0.5, 2. ], dtype=float32)
    """
    return value if x <= theta else x if x > theta else nan_of(x, theta)


@threshold.derivative
def _(x, theta, value):
    nan = nan_of(x, theta)
    return (0 if x <= theta else 1 if x > theta else nan,
            0 if x <= theta else 0 if x > theta else nan,
            1 if x <= theta else 0 if x > theta else nan)


@threshold.reference
def _(x, theta, value):
    return x if x > theta else value, 1 if x > theta else 0, 0, 0 if x > theta else 1


@declared(aliases=("hardsigmoid",), formula=r"\min(\max(0, \alpha x + \beta), 1)")
def hard_sigmoid(x, alpha=1 / 6, beta=0.5):
    """A sigmoid of three straight lines; its derivative where they meet is 0.

    Source: M. Courbariaux et al., BinaryConnect: training deep neural networks with binary weights, 2015.

    >>> act.hard_sigmoid(np.float32([-4, 0, 4]))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    z = line(alpha, x, beta)
    return 0 if z <= 0 else 1 if z >= 1 else z


@hard_sigmoid.derivative
def _(x, alpha, beta):
    z, inside = line(alpha, x, beta), on_slope(alpha, x, beta)
    outside = unless_nan(z, 0)
    return alpha if inside else outside, x if inside else outside, 1 if inside else outside


@hard_sigmoid.from_result
def _(y, alpha, beta):
    return alpha if 0 < y < 1 else unless_nan(y, 0)


@hard_sigmoid.reference
def _(x, alpha, beta):
    z = alpha * x + beta
    inside = z > 0 and alpha * x + (beta - 1) < 0
    return 0 if z <= 0 else 1 if z >= 1 else z, alpha if inside else 0, x if inside else 0, 1 if inside else 0


@declared(aliases=("hardswish", "hard_silu"), formula=r"\frac{x}{6} \min(\max(0, x + 3), 6)")
def hard_swish(x):
    """x times a hard sigmoid; its derivative is 0 at -3 and 1 at 3.

    Source: A. Howard et al., Searching for MobileNetV3, 2019.

    >>> act.hard_swish(np.float32([-4, -1, 4]))
    array([ 0.        , -0.33333334,  4.        ], dtype=float32)
    """
    gate, gate_low = fast_two_sum(number(3, x), x)
    y, y_low = two_product(x, gate)
    y = rounded_product(Pair(y, fma(x, gate_low, y_low)), split(SIXTH, x))
    return 0 if x <= -3 else x if x >= 3 else y


@hard_swish.derivative
def _(x):
    slope = rounded_product(fast_two_sum(number(3, x), 2 * x), split(SIXTH, x))
    return 0 if x <= -3 else 1 if x >= 3 else slope


@hard_swish.reference
def _(x):
    return 0 if x <= -3 else x if x >= 3 else x * (x + 3) / 6, 0 if x <= -3 else 1 if x >= 3 else (2 * x + 3) / 6


@declared(aliases=("hardtanh",), formula=r"\min(\max(x, \mathrm{lo}), \mathrm{hi})")
def hard_tanh(x, lo=-1.0, hi=1.0):
    """x from lo to hi, lo before and hi behind; its derivative at lo and hi is 0.

    Source: R. Collobert, Large scale machine learning, 2004.

    >>> act.hard_tanh(np.float32([-3, 0.5, 3]))
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return lo if x <= lo else hi if x >= hi else x if lo < x < hi else nan_of(x, lo, hi)


@hard_tanh.derivative
def _(x, lo, hi):
    return (0 if x <= lo else 0 if x >= hi else 1 if lo < x < hi else nan_of(x, lo, hi),
            1 if x <= lo else 0 if x > lo else nan_of(x, lo),
            1 if x >= hi else 0 if x < hi else nan_of(x, hi))


@hard_tanh.from_result
def _(y, lo, hi):
    return 0 if y <= lo else 0 if y >= hi else 1 if lo < y < hi else nan_of(y, lo, hi)


@hard_tanh.reference
def _(x, lo, hi):
    return lo if x <= lo else hi if x >= hi else x, 1 if lo < x < hi else 0, 1 if x <= lo else 0, 1 if x >= hi else 0


@declared(formula=r"\frac{x}{2} \min(\max(0, x + 2), 2)")
def hard_mish(x):
    """The likeness of mish in a parabola; its derivative is 0 at -2 and 1 at 0.

    Source: D. Misra, H-Mish, 2020.

    >>> act.hard_mish(np.float32([-3, -1, 2]))
    array([ 0. , -0.5,  2. ], dtype=float32)
    """
    gate, gate_low = fast_two_sum(number(2, x), x)
    return 0 if x <= -2 else x if x >= 0 else 0.5 * fma(x, gate, x * gate_low)


@hard_mish.derivative
def _(x):
    return 0 if x <= -2 else 1 if x >= 0 else x + 1


@hard_mish.reference
def _(x):
    return 0 if x <= -2 else x if x >= 0 else x * (x + 2) / 2, 0 if x <= -2 else 1 if x >= 0 else x + 1


@declared(aliases=("soft_shrink",), formula=r"\mathrm{sign}(x) \max(|x| - \lambda, 0)")
def softshrink(x, lambd=0.5):
    """x, nearer to 0 by lambd, and 0 with the sign of x up to there; the derivative at -lambd and lambd is 0.

    Source: D. L. Donoho, De-noising by soft-thresholding, 1995.

    >>> act.softshrink(np.float32([-2, 0.25, 2]))
    array([-1.5,  0. ,  1.5], dtype=float32)
    """
    return copysign(where(abs(x) <= lambd, 0, abs(x) - lambd), x)


@softshrink.derivative
def _(x, lambd):
    a, nan = abs(x), abs(x) - lambd
    return (0 if a <= lambd else 1 if a > lambd else nan,
            0 if a <= lambd else copysign(number(-1, x), -x) if a > lambd else nan)


@softshrink.reference
def _(x, lambd):
    return (x - lambd if x > lambd else x + lambd if x < -lambd else 0,
            1 if abs(x) > lambd else 0,
            -1 if x > lambd else 1 if x < -lambd else 0)


@declared(aliases=("hardshrink",), formula=r"\begin{cases} x & |x| > \lambda \\ 0 & |x| \le \lambda \end{cases}")
def hard_shrink(x, lambd=0.5):
    """x, or 0 where it is no larger than lambd; the derivative at -lambd and lambd is 0.

    Source: D. L. Donoho and I. M. Johnstone, Ideal spatial adaptation by wavelet shrinkage, 1994.

    >>> act.hard_shrink(np.float32([-2, 0.25, 2]))
    array([-2.,  0.,  2.], dtype=float32)
    """
    return 0 if abs(x) <= lambd else x if abs(x) > lambd else nan_of(x, lambd)


@hard_shrink.derivative
def _(x, lambd):
    a, nan = abs(x), nan_of(x, lambd)
    return 0 if a <= lambd else 1 if a > lambd else nan, 0 if a <= lambd else 0 if a > lambd else nan


@hard_shrink.reference
def _(x, lambd):
    return x if abs(x) > lambd else 0, 1 if abs(x) > lambd else 0, 0


@declared(formula=r"\begin{cases} 0 & x \le -1 \\ (x + 1)^2 / 4 & -1 < x < 1 \\ x & x \ge 1 \end{cases}")
def sparse_plus(x):
    """A rectifier with a parabola between -1 and 1, the integral of sparse_sigmoid.

    Source: M. Blondel et al., Learning with Fenchel-Young losses, 2020.

    >>> act.sparse_plus(np.float32([-2, 0, 2]))
    array([0.  , 0.25, 2.  ], dtype=float32)
    """
    root, root_low = fast_two_sum(number(1, x), x)
    return 0 if x <= -1 else x if x >= 1 else 0.25 * fma(root, root, 2 * root * root_low)


@sparse_plus.derivative
def _(x):
    z = (x + 1) / 2
    return 0 if z <= 0 else 1 if z >= 1 else z


@sparse_plus.reference
def _(x):
    return (0 if x <= -1 else x if x >= 1 else (x + 1) * (x + 1) / 4,
            0 if x <= -1 else 1 if x >= 1 else (x + 1) / 2)


@declared(formula=r"\min(\max(0, \tfrac{x + 1}{2}), 1)")
def sparse_sigmoid(x):
    """A sigmoid of three straight lines, the binary sparsemax; its derivative at -1 and 1 is 0.

    Source: A. F. T. Martins and R. F. Astudillo, From softmax to sparsemax, 2016.

    >>> act.sparse_sigmoid(np.float32([-2, 0.5, 2]))
    array([0.  , 0.75, 1.  ], dtype=float32)
    """
    z = (x + 1) / 2
    return 0 if z <= 0 else 1 if z >= 1 else z


@sparse_sigmoid.derivative
def _(x):
    return 0.5 if -1 < x < 1 else unless_nan(x, 0)


@sparse_sigmoid.from_result
def _(y):
    return 0.5 if 0 < y < 1 else unless_nan(y, 0)


@sparse_sigmoid.reference
def _(x):
    return 0 if x <= -1 else 1 if x >= 1 else (x + 1) / 2, 0.5 if -1 < x < 1 else 0


@declared(aliases=("linear",), formula="x")
def identity(x):
    """x as it is.

    Source: B. Widrow and M. E. Hoff, Adaptive switching circuits, 1960.

    >>> act.identity(np.float32([-1, 0, 2]))
    array([-1.,  0.,  2.], dtype=float32)
    """
    return x


@identity.derivative
def _(x):
    return unless_nan(x, 1)


@identity.reference
def _(x):
    return x, 1


@declared(formula=r"s \max(0, x)^2 + b")
def star_relu(x, s=0.8944, b=-0.4472):
    """The square of the rectifier, scaled and moved so that mean 0 and variance 1 stay; scale and bias may be learned.

    Source: W. Yu et al., MetaFormer baselines for vision, 2022.

    >>> act.star_relu(np.float32([-1, 0.5, 2]))
    array([-0.4472, -0.2236,  3.1304], dtype=float32)
    """
    return parabolas.star_relu(x, s, b)


@star_relu.derivative
def _(x, s, b):
    return 0 if x <= 0 else 2 * s * multiplicand(x, s), 0 if x <= 0 else x * x, unless_nan(x, 1)


@star_relu.reference
def _(x, s, b):
    return (reference.terms(s * x * x, b) if x > 0 else b,
            2 * s * x if x > 0 else 0, x * x if x > 0 else 0, 1)


@declared(formula=r"\begin{cases} x + \mathrm{bias} & x < -\lambda \\ x - \mathrm{bias} & x > \lambda \\"
                  r" 0 & \mathrm{else} \end{cases}")
def shrink(x, lambd=0.5, bias=0.0):
    """x, nearer to 0 by the bias, where it is larger than lambd, else 0; the derivative at -lambd and lambd is 0.

    Source: ONNX operator Shrink, 2018.

    >>> act.shrink(np.float32([-2, 0.25, 2]), 0.5, 1)
    array([-1.,  0.,  1.], dtype=float32)
    """
    return x + bias if x < -lambd else x - bias if x > lambd else 0 if -lambd <= x <= lambd else nan_of(x, lambd)


@shrink.derivative
def _(x, lambd, bias):
    outside, inside = x < -lambd or x > lambd, 0 if -lambd <= x <= lambd else nan_of(x, lambd)
    return 1 if outside else inside, 0 if outside else inside, 1 if x < -lambd else -1 if x > lambd else inside


@shrink.reference
def _(x, lambd, bias):
    return (x + bias if x < -lambd else x - bias if x > lambd else 0,
            1 if x < -lambd else 1 if x > lambd else 0, 0, 1 if x < -lambd else -1 if x > lambd else 0)


@declared(aliases=("heaviside",), formula=r"\begin{cases} 1 & x > \theta \\ 0 & x \le \theta \end{cases}")
def step(x, theta=0.0):
    """1 above the threshold theta, 0 up to it; the derivative is 0 everywhere.

    Source: W. S. McCulloch and W. Pitts, A logical calculus of the ideas immanent in nervous activity, 1943.

    >>> act.step(np.float32([-1, 0, 2]))
    array([0., 0., 1.], dtype=float32)
    """
    return 0 if x <= theta else 1 if x > theta else nan_of(x, theta)


@step.derivative
def _(x, theta):
    known = 0 if x <= theta else 0 if x > theta else nan_of(x, theta)
    return known, known


@step.reference
def _(x, theta):
    return 1 if x > theta else 0, 0, 0


@declared(formula=r"\begin{cases} \alpha_p x^2 + \beta x & x > 0 \\"
                  r" \alpha_n (e^{\min(x, \epsilon)} - 1 - x) + \beta x & x \le 0 \end{cases}")
def xielu(x, alpha_p=0.8, alpha_n=0.8, beta=0.5, eps=-1e-6):
    """A parabola, and on the left the integral of an exponential linear unit; its derivative at 0 is beta - alpha_n.

    Source: A. H. Huang and I. Schlag, Deriving activation functions using integration, 2024.

    >>> act.xielu(np.float32([-2, 0, 2]))
    array([-9.173176e-02, -7.999996e-07,  4.200000e+00], dtype=float32)
    """
    return parabolas.xielu(x, alpha_p, alpha_n, beta, eps)


@xielu.derivative
def _(x, alpha_p, alpha_n, beta, eps):
    return parabolas.xielu_slopes(x, alpha_p, alpha_n, beta, eps)


@xielu.reference
def _(x, alpha_p, alpha_n, beta, eps):
    m = x if x < eps else eps
    bend = reference.terms(reference.exp_less_tangent(m), m - x)
    left = reference.terms(alpha_n * math.expm1(x), beta) if x < eps else reference.terms(beta, -alpha_n)
    return (reference.terms(alpha_p * x * x, beta * x) if x > 0 else reference.terms(alpha_n * bend, beta * x),
            reference.terms(2 * alpha_p * x, beta) if x > 0 else left,
            x * x if x > 0 else 0, 0 if x > 0 else bend, x, 0 if x > 0 or x < eps else alpha_n * math.exp(eps))
