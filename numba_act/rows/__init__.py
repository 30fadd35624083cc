"""Functions of whole rows: softmax and its relatives, along an axis of arrays of any kind."""
from .softmax import log_softmax, logsumexp, softmax, softmin

__all__ = ["log_softmax", "logsumexp", "softmax", "softmin"]
