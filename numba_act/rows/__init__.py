"""Functions of whole rows: softmax and its relatives, along an axis of arrays of any kind."""
from .gumbel import gumbel_softmax
from .loss import softmax_cross_entropy
from .softmax import log_softmax, logsumexp, softmax, softmin
from .sparse import entmax15, sparsemax

__all__ = ["entmax15", "gumbel_softmax", "log_softmax", "logsumexp", "softmax", "softmax_cross_entropy", "softmin",
           "sparsemax"]
