"""What a function that Numba compiled has raised: from the thread that met it to the one that made the call.

A kernel leaves the address of what Numba keeps of the exception in the job.  When the job is done the driver sets a
Python error with that address.  NumPy and ctypes may look for none and give a result beside it, which Python reports as
a SystemError; the error is its cause.
"""
import ctypes
import pickle

from . import driver


class RaisedError(Exception):
    """Its argument is the address of what Numba keeps of an exception."""

    def __str__(self):
        return repr(_exception(self.args[0], "the function"))


class _Kept(ctypes.Structure):
    """The first words of what Numba keeps of an exception."""
    _fields_ = [("pickled", ctypes.c_void_p), ("size", ctypes.c_int)]


def control_words():
    """What the driver needs to set an error: Python's own functions."""
    functions = {driver.ENSURE: "PyGILState_Ensure", driver.NEW_NUMBER: "PyLong_FromSsize_t",
                 driver.SET_ERROR: "PyErr_SetObject", driver.DROP: "Py_DecRef", driver.RELEASE: "PyGILState_Release"}
    addresses = {word: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
                 for word, name in functions.items()}
    return addresses | {driver.ERROR: id(RaisedError)}


def called(owner, function, *args, **options):
    """A call of compiled code; what the owner's function has raised is raised."""
    try:
        return function(*args, **options)
    except (RaisedError, SystemError) as error:
        raised = error.__cause__ if isinstance(error, SystemError) else error
        if not isinstance(raised, RaisedError):
            raise
        raise _exception(raised.args[0], owner) from None


def _exception(address, owner):
    """The exception, by the owner's name."""
    kept = _Kept.from_address(address)
    try:
        kind, args, _ = pickle.loads(ctypes.string_at(kept.pickled, kept.size))
        return kind(f"{owner}: {', '.join(map(str, args)) or kind.__name__}")
    except Exception:                            # its arguments depend on numbers, or its class takes others
        return RuntimeError(f"{owner}: the function has raised an exception")
