"""Tensors of other libraries: the same memory as an array of NumPy or CuPy, and the result as a tensor."""
import contextlib
import warnings

import numpy as np

from .. import dispatch
from . import dlpack, kind_of
from .container import Container, Refused, each, named, numbers_unpacked


class Tensors(Container):
    """The whole call is made on arrays that share the tensors' memory."""

    takes_plain = False
    has_numbers = True

    def array(self, kernel, name, tensor):
        """A tensor as an array, in the same memory."""
        raise NotImplementedError

    def made(self, array, like):
        """An array as a tensor, where another one is."""
        raise NotImplementedError

    def elementwise(self, kernel, operands, calls, options):
        def compute(arrays, out):
            where = options["where"]
            where = self.array(kernel, "where", where) if kind_of(where) is self else where
            return dispatch.elementwise(kernel, arrays, lambda: calls, **{**options, "out": out, "where": where})

        return self._computed(kernel, operands, options["out"], compute)

    def backward(self, kernel, operands, names, wrt, calls, out):
        return self._computed(kernel, operands, out,
                              lambda arrays, out: dispatch.backward(kernel, arrays, names, wrt, lambda: calls, out))

    def rowwise(self, kernel, operands, axis, again):
        return self._computed(kernel, operands, again.keywords.get("out"),
                              lambda arrays, out: again(arrays, axis, out=out))

    def whole(self, kernel, operands, compute):
        return self._computed(kernel, operands, None, lambda arrays, _: compute(*arrays))

    def _computed(self, kernel, operands, out, compute):
        given = out if isinstance(out, tuple) else (out,)
        with named(kernel):
            unpacked = tuple(self.array(kernel, "out", o) if kind_of(o) is self else o for o in given)
            arrays = numbers_unpacked(kernel, operands)
        results = compute(arrays, None if out is None else unpacked)
        like = next((o for o in operands if kind_of(o) is self), None)
        with named(kernel):
            if out is None:
                return each(results, lambda y: self.made(y, like))
            found = results if isinstance(results, tuple) else (results,)
            made = tuple(self.made(y, like) if o is None else o for y, o in zip(found, given, strict=True))
        return made if isinstance(results, tuple) else made[0]


class Torch(Tensors):
    name = "PyTorch tensors"
    conversion = "torch.asarray(x)"

    def elementwise(self, kernel, *others):
        offer_quick(kernel)
        return super().elementwise(kernel, *others)

    def backward(self, kernel, *others):
        offer_quick(kernel)
        return super().backward(kernel, *others)

    def _computed(self, kernel, operands, out, compute):
        arrays = memory(operands) if out is None else None
        if arrays is not None:
            return from_memory(compute(arrays, None))
        device = next((o.device for o in operands if kind_of(o) is self and o.is_cuda), None)
        with contextlib.nullcontext() if device is None else _on_stream(device):
            return super()._computed(kernel, operands, out, compute)

    def array(self, kernel, name, tensor):
        import torch
        if tensor.requires_grad and torch.is_grad_enabled():
            raise TypeError(f"{kernel.owner}: {name} requires grad, which numba_act.torch.{kernel.owner} heeds; or "
                            f"give {name}.detach()")
        tensor = tensor.detach()
        if tensor.is_cuda:
            return on_device(tensor)
        if tensor.dtype is torch.bfloat16:
            return tensor.view(torch.uint16).numpy().view(dlpack.bfloat16())
        return tensor.numpy()

    def made(self, array, like):
        import torch
        if hasattr(array, "__cuda_array_interface__"):
            return torch.from_dlpack(array)
        array = np.asarray(array)
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
        return torch.from_numpy(array)


def memory(operands):
    """The memory of PyTorch's tensors as arrays, beside Python's numbers; None where that is not all there is to it, as
    with a tensor elsewhere, one that requires grad, or bfloat16."""
    import torch
    detached = not torch.is_grad_enabled()
    try:
        return [o if type(o) is float or type(o) is int else o.detach().numpy() if detached else o.numpy()
                for o in operands]
    except (AttributeError, RuntimeError, TypeError):
        return None


def from_memory(results):
    """Arrays or NumPy's numbers as PyTorch's tensors."""
    import torch
    if type(results) is tuple:
        return tuple([torch.from_numpy(np.asarray(y)) for y in results])
    return torch.from_numpy(np.asarray(results))


def offer_quick(kernel):
    """Have further calls with PyTorch's tensors take the quick way."""
    import torch
    kernel.quick.update({torch.Tensor: quick, torch.nn.Parameter: quick})


def quick(kernel, operands, out, arrays):
    """dispatch.quick for PyTorch's tensors; all else takes 25 us more."""
    ready = memory(operands) if out is None else None
    made = None if ready is None else dispatch.quick(kernel, ready, None, arrays)
    return None if made is None else from_memory(made)


@contextlib.contextmanager
def _on_stream(device):
    """CuPy at work where PyTorch is: else memory may be given back while the other still reads it."""
    import torch

    from ..cuda import cupy
    with warnings.catch_warnings():              # Stream.from_external, to be used instead, destroys what it was lent
        warnings.simplefilter("ignore", DeprecationWarning)
        stream = cupy.cuda.ExternalStream(torch.cuda.current_stream(device).cuda_stream, device.index)
    with cupy.cuda.Device(device.index), stream:
        yield


class Jax(Tensors):
    name = "JAX arrays"
    conversion = "jax.numpy.asarray(x)"

    def array(self, kernel, name, tensor):
        on_gpu = next(iter(tensor.devices())).platform == "gpu"
        return on_device(tensor) if on_gpu else np.asarray(tensor)

    def made(self, array, like):
        import jax
        if hasattr(array, "__cuda_array_interface__"):
            return jax.dlpack.from_dlpack(array)
        array = np.asarray(array)
        return jax.device_put(array, like.sharding if array.shape == like.shape else None)


class JaxTracer(Refused):
    message = "{owner}: a JAX {type} has no values; numba_act.jax.{owner} is for jit, grad and vmap"


class Exported(Tensors):
    """Anything with __dlpack__: NumPy's or CuPy's arrays come out."""

    name = "arrays by DLPack"
    takes_plain = True

    def array(self, kernel, name, tensor):
        device, _ = tensor.__dlpack_device__()
        if device in dlpack.CUDA:
            return on_device(tensor)
        if device in dlpack.CPU:
            return dlpack.imported(tensor)
        raise TypeError(f"{kernel.owner}: {name} is on DLPack's device {int(device)}; the CPU and CUDA are supported")

    def made(self, array, like):
        return array


def on_device(tensor):
    """A tensor on a GPU as CuPy's array."""
    from ..cuda import cupy  # which says how to get it
    return cupy.from_dlpack(tensor)
