# Written by ci/stubs.py.
from ..nn import Activation as Activation
from ..nn import LeakyReLU as LeakyReLU
from ..nn import PReLU as PReLU
from ..nn import ELU as ELU
from ..nn import SELU as SELU
from ..nn import GELU as GELU
from ..nn import Swish as Swish
from ..nn import SiLU as SiLU
from ..nn import RReLU as RReLU
from ..nn import Softmax as Softmax
from ..nn import LogSoftmax as LogSoftmax
