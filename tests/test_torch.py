"""numba_act.torch: PyTorch's autograd, operators, compiler and modules, with the numbers of the plain arrays."""
import copy
import io
import math
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from tools import GATED, NAMES, WITH_PARAMETERS, every_name, same_bits

import numba_act as act
from numba_act.bridge import LOSSES, ROWS, SAMPLES

torch = pytest.importorskip("torch")
nt = pytest.importorskip("numba_act.torch")

POINTS = [-2.3, -0.7, 0.3, 1.9]                  # away from kinks
its_own_warning = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")          # of forward mode
every_device = pytest.mark.parametrize("device", ["cpu", "cuda"][:1 + torch.cuda.is_available()])


def operands_of(name, dtype=torch.float64, device="cpu"):
    """Leaves for every operand and parameter: arrays of different numbers, a number a column, and single ones."""
    a, points = act.activations[name], np.array(POINTS)
    if not np.isfinite(a(*[points] * len(a.operands))).all():
        points = (points + 3) / 6                # logit, of what is between 0 and 1
    arrays = [torch.tensor(np.roll(points, k) + k / 8, dtype=dtype).view(2, 2) for k in range(len(a.operands))]
    numbers = [torch.tensor(value if k else [value, value * 0.75 + 0.125], dtype=dtype)
               for k, value in enumerate(a.defaults.values())]
    return [t.to(device).requires_grad_() for t in (*arrays, *numbers)]


def array_of(tensor):
    tensor = tensor.detach().cpu()
    return tensor.view(torch.uint16).numpy().view("bfloat16") if tensor.dtype is torch.bfloat16 else tensor.numpy()


@every_device
@pytest.mark.parametrize("tier", ["exact", "fast"])
@every_name
def test_values_and_gradients_are_those_of_arrays(name, tier, device):
    """Bit for bit, without and with a graph."""
    a, f = (each if tier == "exact" else each.fast for each in (act.activations[name], getattr(nt, name)))
    operands = operands_of(name, torch.float32, device)
    arrays = [array_of(o) for o in operands]
    y = f(*operands)
    gy = torch.linspace(-1, 2, 4, device=device).view(2, 2)
    same_bits(array_of(y), a(*arrays))
    names = (*a.operands, *a.params)
    expected = a.backward(array_of(gy), *arrays, wrt=names)
    gradients = torch.autograd.grad(y, operands, gy)
    for got, wanted in zip(gradients, expected, strict=True):
        if device == "cpu" or wanted.shape == (2, 2):          # sums differ between the two
            same_bits(array_of(got), wanted)
    with torch.no_grad():
        same_bits(array_of(f(*operands)), a(*arrays))
    same_bits(array_of(f(*[o.detach() for o in operands[:len(a.operands)]])), a(*arrays[:len(a.operands)]))


@every_device
@every_name
def test_gradients_of_gradients(name, device):
    """In every operand and parameter, by PyTorch's own check."""
    operands = operands_of(name, device=device)
    for f in (getattr(nt, name), getattr(torch.ops.numba_act, name)):
        assert torch.autograd.gradcheck(f, operands)
    assert torch.autograd.gradgradcheck(getattr(nt, name), operands)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int8, torch.bool])
def test_other_dtypes(dtype):
    x = torch.tensor([1, 0, -3, 7]).to(dtype)
    for name in ("gelu", "leaky_relu", "swiglu"):
        a, f = act.activations[name], getattr(nt, name)
        y = f(*[x] * len(a.operands))
        same_bits(array_of(y), a(*[array_of(x)] * len(a.operands)))
        if dtype.is_floating_point:
            leaf = x.clone().requires_grad_()
            gradient, = torch.autograd.grad(f(*[leaf] * len(a.operands)).sum(), leaf)
            assert gradient.dtype is dtype
    op = torch.ops.numba_act.gelu.default
    assert op(x.to("meta")).dtype is op(x).dtype is nt.gelu(x).dtype


def test_higher_orders():
    x = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    slope = nt.gelu(x)
    for n in range(1, 5):
        slope, = torch.autograd.grad(slope.sum(), x, create_graph=True)
        same_bits(array_of(slope), act.gelu.grad(array_of(x), n=n))
    beta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    mixed, = torch.autograd.grad(nt.swish(x, beta).sum(), beta, create_graph=True)
    swapped, = torch.autograd.grad(nt.swish(x, beta).sum(), x, create_graph=True)
    torch.testing.assert_close(torch.autograd.grad(mixed, x)[0], torch.autograd.grad(swapped.sum(), beta)[0] * 0 +
                               torch.func.vmap(torch.func.grad(lambda x: torch.func.grad(nt.swish, 1)(x, beta)))(x))


LAYOUTS = {"rows": lambda x: x[::2], "columns": lambda x: x.mT, "expanded": lambda x: x[:, :1].expand_as(x),
           "channels last": lambda x: x.to(memory_format=torch.channels_last), "none": lambda x: x[:0],
           "number": lambda x: x[0, 0, 0, 0]}


@pytest.mark.filterwarnings("ignore:The .grad attribute")        # PyTorch's check reads it
@pytest.mark.parametrize("layout", LAYOUTS)
def test_operators_keep_their_promises(layout):
    """PyTorch's own check of what is registered: schema, autograd, fake implementation, the compiler's two passes."""
    x = LAYOUTS[layout](torch.randn(4, 3, 2, 2))
    alpha = torch.rand(x.shape[-1:])
    for op, given in (("gelu", (x,)), ("prelu", (x, alpha)), ("swiglu", (x, torch.randn(x.shape[-2:]), torch.ones(()))),
                      ("gelu_backward", (x, x, "x")), ("prelu_backward", (x, x, alpha, "x,alpha"))):
        torch.library.opcheck(getattr(torch.ops.numba_act, op).default, given,
                              test_utils=("test_schema", "test_faketensor"))
    leaf = x.detach().requires_grad_()
    if layout in ("rows", "number"):
        torch.library.opcheck(torch.ops.numba_act.prelu.default, (leaf, alpha.requires_grad_()))
        torch.library.opcheck(torch.ops.numba_act.gelu.fast, (leaf,))


def everything(x):
    """Every activation, parameters by keyword and by position, in one function."""
    total = 0
    for name in NAMES:
        f = getattr(nt, name)
        parameters = dict(list(f.activation.defaults.items())[:1])
        at = x.sigmoid() if name == "logit" else x
        total = total + (f(x, x) if name in GATED else f(x, **parameters) if name in WITH_PARAMETERS else f.fast(at))
    return total


def test_compiled_whole():
    x = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    compiled = torch.compile(everything, fullgraph=True, backend="aot_eager")
    y = compiled(x)
    same_bits(array_of(y), array_of(everything(x)))
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], torch.autograd.grad(everything(x).sum(), x)[0])


class Net(torch.nn.Module):
    def __init__(self, *activations):
        super().__init__()
        self.stack = torch.nn.Sequential(torch.nn.Linear(4, 3), *activations, torch.nn.Linear(3, 1))

    def forward(self, x):
        return self.stack(x)


@pytest.mark.parametrize("strict", [False, True])
def test_exported(strict):
    net = Net(nt.Activation("swish", learn="beta", num_parameters=3), nt.Activation("gelu", fast=True),
              nt.Activation("leaky_relu", alpha=0.2))
    x = torch.randn(2, 4)
    rows = torch.export.Dim("rows")
    exported = torch.export.export(net, (x,), strict=strict, dynamic_shapes=({0: rows},))
    called = {str(node.target) for node in exported.graph.nodes}
    assert called >= {"numba_act.swish.default", "numba_act.gelu.fast", "numba_act.leaky_relu.default"}
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    again = torch.export.load(file).module()
    x = torch.randn(5, 4)
    torch.testing.assert_close(again(x), net(x))
    gradients = [torch.autograd.grad(f(x).sum(), list(f.parameters())) for f in (net, again)]
    torch.testing.assert_close(*gradients)


@its_own_warning
def test_transformed():
    """torch.func's transformations, one in the other."""
    x, beta = torch.randn(3, 4, dtype=torch.float64), torch.rand(4, dtype=torch.float64)

    def total(x, beta):
        return nt.swish(x, beta).sum()

    def plain(x, beta):
        return (x * torch.sigmoid(beta * x)).sum()

    for transformed in (lambda f: torch.func.grad(f, (0, 1)),
                        lambda f: torch.func.vmap(torch.func.grad(f, (0, 1)), (0, None)),
                        lambda f: torch.func.vmap(torch.func.grad(f, 1), (1, 0)),
                        lambda f: torch.func.jacrev(torch.func.jacrev(f, 1)),
                        lambda f: torch.func.jacfwd(f, (0, 1)),
                        lambda f: torch.func.hessian(f, (0, 1)),
                        lambda f: torch.func.jacrev(torch.func.jacfwd(f, 1), (0, 1)),
                        lambda f: torch.func.vmap(torch.func.jacfwd(f), (0, None))):
        torch.testing.assert_close(transformed(total)(x, beta), transformed(plain)(x, beta))
    same_bits(array_of(torch.func.vmap(nt.swiglu, (0, None))(x, beta)), array_of(nt.swiglu(x, beta)))
    same_bits(array_of(torch.func.vmap(lambda x: nt.leaky_relu(x, 0.5))(x)), array_of(nt.leaky_relu(x, 0.5)))
    with torch.autograd.forward_ad.dual_level():
        y = nt.swish(torch.autograd.forward_ad.make_dual(x, x + 1), beta)
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(y).tangent,
                                   (x + 1) * torch.func.vmap(torch.func.grad(total), (0, None))(x, beta))


@its_own_warning
@pytest.mark.parametrize("name", ["gelu", "softmax"])
def test_transformed_within_what_is_compiled(name):
    """Not in the graph, but with the same results."""
    x, f = torch.randn(3, 4), getattr(nt, name)

    def both(x):
        return torch.func.vmap(f)(x), torch.func.jvp(nt.gelu, (x,), (x,))[1]

    for compiled, eager in zip(torch.compile(both, backend="eager")(x), both(x), strict=True):
        same_bits(array_of(compiled), array_of(eager))


# --- modules ----------------------------------------------------------------------------------------------------------
def test_modules_learn():
    f = nt.Activation("swish", learn="beta", num_parameters=3, beta=1.5)
    x = torch.randn(2, 3, 4)
    y = f(x)
    same_bits(array_of(y), act.swish(array_of(x), np.full((3, 1), 1.5, "f4")))
    y.sum().backward()
    expected = act.swish.backward(np.ones((2, 3, 4), "f4"), array_of(x), np.full((3, 1), 1.5, "f4"), wrt="beta")
    same_bits(array_of(f.beta.grad), expected.ravel())
    with torch.no_grad():
        f.beta += 1
    other = nt.Activation("swish", learn="beta", num_parameters=3)
    other.load_state_dict(f.state_dict())
    for copied in (other, copy.deepcopy(f), pickle.loads(pickle.dumps(f))):
        same_bits(array_of(copied(x)), array_of(f(x)))
    assert f.half()(x.half()).dtype is torch.float16
    assert nt.Activation("prelu", learn="alpha").bfloat16()(torch.tensor(-1.0)).item() == -0.25


@every_name
def test_every_activation_is_a_module(name):
    a = act.activations[name]
    f = nt.Activation(name, learn=a.params)
    x = torch.tensor(POINTS)
    y = f(*[x] * len(a.operands))
    torch.testing.assert_close(y.detach(), nt.get(a)(*[x] * len(a.operands)), rtol=1e-5, atol=1e-6, equal_nan=True)
    assert list(f.state_dict()) == list(a.params)
    assert repr(f) == (f"Activation({name!r}, learn={a.params}, num_parameters=1)" if a.params
                       else f"Activation({name!r})")


# --- custom activations -----------------------------------------------------------------------------------------------
def made(rate):
    @act.activation
    def bump(x, width=1.0):
        return math.exp(-x * x / width) * rate
    return bump


@act.activation
def halved(x, most=3.0):
    while most < abs(x) < math.inf:
        x = x / 2
    return x * x


def test_custom_activations():
    one, two = made(1.0), made(2.0)              # of one name
    x = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    width = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    for a in (one, two, halved):
        f = nt.get(a)
        assert torch.autograd.gradcheck(f, (x, width))
        assert torch.autograd.gradgradcheck(f, (x, width))
        compiled = torch.compile(nt.Activation(a, learn=a.params), fullgraph=True, backend="aot_eager")
        same_bits(array_of(compiled(x)), a(array_of(x)))
    assert nt.get(one) is nt.get(one)
    same_bits(array_of(nt.get(two)(x)), 2 * array_of(nt.get(one)(x)))
    nt.get(made(1.0))                            # which says the same


def test_the_readme():
    """What it shows runs."""
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
                if block.startswith("import torch")]
    space = {}
    exec(block, space)
    x, beta = np.float32([-2, 0.5, 3]), np.float32(1.5)
    expected = act.swish.grad(x, beta) + act.gelu.fast.grad(x)
    np.testing.assert_array_equal(array_of(space["x"].grad), expected)
    same_bits(array_of(space["beta"].grad), np.float32(act.swish.backward(np.ones_like(x), x, beta, wrt="beta")))
    assert space["z"].shape == (5, 1)


# --- rows -------------------------------------------------------------------------------------------------------------
@every_device
@pytest.mark.parametrize("name", [name for name in ROWS if name not in LOSSES + SAMPLES])
def test_rows(name, device):
    """Values bit for bit, gradients and their gradients by PyTorch's own checks."""
    f, a, rng = getattr(nt, name), getattr(act, name), np.random.default_rng(3)
    x = torch.tensor(rng.normal(size=(3, 4)), device=device, requires_grad=True)
    where = torch.tensor(rng.random((3, 4)) < 0.8, device=device)
    where[:, 0] = False                          # nothing is left of that row
    if device == "cpu":
        same_bits(array_of(f(x, 0, where=where)), a(array_of(x), 0, where=array_of(where)))
        for given, axis in (((), {}), ((0,), {}), ((), {"axis": 0})):          # the quick way, or with a graph
            same_bits(array_of(f(x.detach(), *given, **axis)), a(array_of(x), *given, **axis))
            same_bits(array_of(f(x, *given, **axis)), a(array_of(x), *given, **axis))
    assert torch.autograd.gradcheck(f, (x,))
    assert torch.autograd.gradgradcheck(lambda x: f(x, 0, where=where)[f(x, 0, where=where) > -torch.inf], (x,))
    if "temperature" in f.names:
        sink = torch.tensor([0.3], dtype=x.dtype, device=device, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x, sink: f(x, 0, temperature=0.7, sink=sink), (x, sink))
        assert torch.autograd.gradgradcheck(lambda x, sink: f(x, 0, temperature=0.7, sink=sink), (x, sink))
    if name == "logsumexp":
        assert torch.autograd.gradcheck(lambda x: f(x, 0, keepdims=True), (x,))
        assert torch.autograd.gradgradcheck(lambda x: f(x, 0, keepdims=True), (x,))
    assert pickle.loads(pickle.dumps(f)) is nt.get(name) is f


def rows_of(dtype=torch.float64):
    """Numbers, a mask that leaves the first of each row, and a number for each row."""
    rng = np.random.default_rng(3)
    where = torch.tensor(rng.random((3, 4)) < 0.7)
    where[:, 0] = True
    return torch.tensor(rng.normal(size=(3, 4)), dtype=dtype), where, torch.tensor(rng.normal(size=(3, 1)), dtype=dtype)


def test_mapped_rows():
    """Bit for bit the rows of one call, whichever of the operands have the axis of the batch."""
    x, where, sink = rows_of(torch.float32)
    vmap, f = torch.func.vmap, nt.softmax
    same_bits(array_of(vmap(f)(x)), array_of(f(x)))
    same_bits(array_of(vmap(lambda x: f(x, 0), 1)(x)), array_of(f(x.T)))
    same_bits(array_of(vmap(lambda x, where, sink: f(x, where=where, sink=sink))(x, where, sink)),
              array_of(f(x, where=where, sink=sink)))
    same_bits(array_of(vmap(lambda where: f(x, where=where))(where)),
              np.stack([array_of(f(x, where=each)) for each in where]))
    same_bits(array_of(vmap(lambda sink: f(x, 0, sink=sink))(sink)),
              np.stack([array_of(f(x, 0, sink=each)) for each in sink]))
    same_bits(array_of(vmap(vmap(lambda x: nt.logsumexp(x, 0, keepdims=True)))(x.view(3, 2, 2))),
              array_of(nt.logsumexp(x.view(3, 2, 2), keepdims=True)))
    labels = torch.tensor([0, 3, 1])
    same_bits(array_of(vmap(nt.softmax_cross_entropy)(x, labels)),
              array_of(nt.softmax_cross_entropy(x, labels, reduction="none")))


def test_transformed_rows():
    """torch.func's transformations, one in the other."""
    x, where, sink = rows_of()

    def ours(x, sink):
        return nt.log_softmax(x, 0, where=where, sink=sink[0], temperature=0.7)[0].exp()

    def plain(x, sink):
        x = torch.where(where, x / 0.7, -torch.inf)
        return torch.log_softmax(torch.cat([x, sink[0].expand(1, 4)]), 0)[0].exp()

    where[0] = True
    for transformed in (lambda f: torch.func.grad(lambda *given: f(*given).pow(2).sum(), (0, 1)),
                        lambda f: torch.func.jacrev(torch.func.jacrev(f, 1), (0, 1)),
                        lambda f: torch.func.vmap(torch.func.jacrev(f, (0, 1)), (None, 0))):
        torch.testing.assert_close(transformed(ours)(x, sink[:1]), transformed(plain)(x, sink[:1]))
    labels = torch.tensor([0, 3, 1])
    for transformed in (torch.func.grad, lambda f: torch.func.jacrev(torch.func.jacrev(f)),
                        lambda f: torch.func.vmap(torch.func.grad(f))):
        torch.testing.assert_close(transformed(nt.softmax_cross_entropy)(x, labels),
                                   transformed(torch.nn.functional.cross_entropy)(x, labels))


@every_device
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("of", ["labels", "probabilities"])
def test_loss(of, reduction, device):
    f, rng = nt.softmax_cross_entropy, np.random.default_rng(3)
    x = torch.tensor(rng.normal(size=(3, 4)), device=device, requires_grad=True)
    target = torch.tensor([0, 2, 1, 1] if of == "labels" else rng.dirichlet(np.ones(3), 4).T, device=device)
    options = {"axis": 0, "where": torch.tensor([True, True, False, True], device=device), "reduction": reduction}
    if device == "cpu":
        arrays = {name: array_of(v) if isinstance(v, torch.Tensor) else v for name, v in options.items()}
        same_bits(array_of(f(x, target, **options)), act.softmax_cross_entropy(array_of(x), array_of(target), **arrays))
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(lambda x: f(x, target, label_smoothing=0.1, **options), (x,))
    assert pickle.loads(pickle.dumps(f)) is f


@every_device
@pytest.mark.parametrize("hard", [False, True])
def test_samples(hard, device):
    """Values and gradients bit for bit, those of a hard sample the soft one's."""
    f, a = nt.gumbel_softmax, act.gumbel_softmax
    x = torch.tensor(np.random.default_rng(3).normal(size=(3, 4)), device=device, requires_grad=True)
    where, gy = x.detach() < 1, torch.linspace(-1, 2, 12, dtype=x.dtype, device=device).view(3, 4)
    arrays = {"where": array_of(where), "axis": 0, "tau": 0.7}
    for seed in (3, np.uint64(2**64 - 1), torch.tensor(5)):
        number = int(seed)
        y = f(x, 0.7, hard, seed, 0, where=where)
        gx, = torch.autograd.grad(y, x, gy)
        if device == "cpu":
            same_bits(array_of(y), a(array_of(x), hard=hard, rng=number, **arrays))
            same_bits(array_of(f(x.detach(), 0.7, hard, seed, 0, where=where)), array_of(y))
            same_bits(array_of(gx), a.backward(array_of(gy), array_of(x), rng=number, **arrays))
        again, = torch.autograd.grad(f(x, 0.7, hard, seed, 0, where=where), x, gy, create_graph=True)
        torch.testing.assert_close(again.detach(), gx)
    assert torch.autograd.gradcheck(lambda x: f(x, 0.7, rng=3, axis=0), (x,))
    assert torch.autograd.gradgradcheck(lambda x: f(x, 0.7, rng=3, where=where), (x,))
    curvatures = [torch.autograd.functional.hessian(lambda x: (f(x, hard=given, rng=3) * gy).sum(), x)  # noqa: B023
                  for given in (hard, False)]
    same_bits(*map(array_of, curvatures))
    assert pickle.loads(pickle.dumps(f)) is nt.get("gumbel_softmax") is f


def test_seeds_of_samples():
    """Each call draws another, as PyTorch's own generator says, also in what is compiled."""
    x = torch.zeros(3, 4, requires_grad=True)

    def sampled(f, x):
        torch.manual_seed(1)
        return [array_of(f(x)) for _ in range(2)]

    first, second = sampled(nt.gumbel_softmax, x)
    assert not np.array_equal(first, second)
    compiled = torch.compile(lambda x: nt.gumbel_softmax(x), backend="aot_eager", fullgraph=True)
    for f, given in ((nt.gumbel_softmax, x.detach()), (compiled, x)):
        same_bits(sampled(f, given), [first, second])
    seeded = torch.compile(lambda x, seed: nt.gumbel_softmax(x, rng=seed), backend="aot_eager", fullgraph=True)
    for seed in (3, 4, 2**64 - 1):
        same_bits(array_of(seeded(x, seed)), act.gumbel_softmax(array_of(x), rng=seed))
    generator = np.random.default_rng(2)
    same_bits(array_of(nt.gumbel_softmax(x, rng=np.random.default_rng(2))),
              act.gumbel_softmax(array_of(x), rng=generator))
    mapped = torch.func.vmap(lambda x: nt.gumbel_softmax(x, rng=3))(x)
    same_bits(array_of(mapped), np.repeat(act.gumbel_softmax(array_of(x)[:1], rng=3), 3, axis=0))


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_operators_of_rows():
    x = torch.randn(4, 3)
    for op, options in ((torch.ops.numba_act.softmax, ()), (torch.ops.numba_act.logsumexp, (False,))):
        torch.library.opcheck(op.default, (x.mT, -1, None, 1.0, None, *options),
                              test_utils=("test_schema", "test_faketensor"))
    torch.library.opcheck(torch.ops.numba_act.softmax_cross_entropy.default,
                          (x, torch.tensor([0, 1, 2, 0]), -1, None, 0.0, "none"),
                          test_utils=("test_schema", "test_faketensor"))
    torch.library.opcheck(torch.ops.numba_act.gumbel_softmax.default,
                          (x.requires_grad_(), 0.5, True, torch.tensor(3), -1, None))
    x = x.detach()
    compiled = torch.compile(lambda x: nt.softmax(2 * x).sum(0), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), torch.softmax(2 * x, -1).sum(0))
    assert nt.log_softmax(x.bfloat16()).dtype is torch.bfloat16


# --- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("call", "error", "said"), [
    (lambda x: nt.gelu(3.0), TypeError, "gelu: x is a float; a tensor is accepted"),
    (lambda x: nt.gelu(x.numpy()), TypeError, "gelu: x is a ndarray; a tensor is accepted"),
    (lambda x: nt.prelu(x, "a"), TypeError, "prelu: alpha is a str; a tensor or a number is accepted"),
    (lambda x: nt.gelu(x, 3), TypeError, "gelu: at most 1 operands are accepted"),
    (lambda x: nt.gelu(x, out=x), TypeError, "gelu: out is an unknown keyword; accepted are no others"),
    (lambda x: nt.gelu(x.cfloat()), TypeError, "gelu: .*complex64"),
    (lambda x: nt.swiglu(x, x[:1].expand(3)), ValueError, "swiglu: the shapes of the operands do not broadcast"),
    (lambda x: nt.get("gleu"), ValueError, "there is no activation 'gleu'; did you mean glu or golu or gelu"),
    (lambda x: nt.gumbel_softmax(x, rng=-1), ValueError, "gumbel_softmax: rng=-1 is no seed; accepted are"),
    (lambda x: nt.gumbel_softmax(x, rng=torch.tensor([1, 2])), TypeError, "gumbel_softmax: rng must be an integer"),
    (lambda x: nt.softmax(3.0), TypeError, "softmax: x is a float; a tensor is accepted"),
    (lambda x: nt.softmax(x, where=3), TypeError, "softmax: where is a int; a tensor is accepted"),
    (lambda x: nt.softmax(x, out=x), TypeError, "softmax: .*'out'; accepted are x, axis, where, temperature, sink"),
    (lambda x: nt.softmax(x.requires_grad_(), 5), ValueError, "softmax: axis=5 is none of an array of shape"),
    (lambda x: torch.func.vmap(lambda x: nt.softmax(x, 1))(x[None]), ValueError,
     r"softmax: axis=1 is none of an array of shape \(2,\)"),
    (lambda x: torch.func.jvp(nt.softmax, (x,), (x,)), NotImplementedError,
     "softmax: PyTorch's forward mode is not supported along an axis; reverse mode is"),
    (lambda x: torch.func.jacfwd(torch.func.jacfwd(nt.gelu))(x), NotImplementedError,
     "gelu: forward mode within forward mode is not supported; reverse mode within"),
    (lambda x: nt.Activation("gelu", learn="beta"), TypeError, "gelu: unknown parameter 'beta'; accepted: none"),
    (lambda x: nt.Activation("swish", alpha=1), TypeError, "swish: unknown parameter 'alpha'; accepted: beta"),
    (lambda x: nt.Activation("swish", learn="beta", num_parameters=3)(x), ValueError,
     r"swish: x of shape \(2,\) has no 3 channels along axis 1"),
    (lambda x: nt.gleu, AttributeError, "gleu"),
])
@its_own_warning
def test_refused(call, error, said):
    with pytest.raises(error, match=said):
        call(torch.ones(2))


def test_names_shadow_nobody():
    """The package's modules are not those of the same names, which its own files get."""
    import numba_act.torch
    assert nt is act.torch is numba_act.torch is not torch
    assert nt.torch is torch
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", None)
        patch.delitem(sys.modules, "numba_act.torch")
        patch.delattr(act, "torch")
        with pytest.raises(ModuleNotFoundError, match=r"^numba_act\.torch needs PyTorch: pip install torch$"):
            import numba_act.torch
