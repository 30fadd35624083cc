"""act.explore: sliders move a picture."""
import sys

import pytest
from tools import every_name

import numba_act as act
from numba_act import sliders

widgets = pytest.importorskip("ipywidgets")


@pytest.mark.parametrize("name", ["hard_tanh", "swiglu"])
def test_sliders_move_the_picture(name):
    shown = act.explore(name, lo=-3, hi=3)
    *moved, image, message = shown.children
    assert [(slider.description, slider.value) for slider in moved] == [*act.get(name).defaults.items()]
    for slider in moved:
        before = image.value
        slider.value = slider.min
        assert image.value != before
    assert bytes(image.value).startswith(b"\x89PNG") and message.value == ""
    assert shown._repr_mimebundle_()["image/png"] == image.value


def test_what_is_not_defined_is_said():
    beta, image, message = act.explore("softplus").children
    before = image.value
    beta.value = 0
    assert message.value == "softplus: beta must not be 0, for which the function is not defined"
    assert image.value == before
    beta.value = 2
    assert message.value == "" and image.value != before


@every_name
def test_sliders_of_every_activation(name, monkeypatch):
    """The default lies between two others, which the slider reaches."""
    monkeypatch.setattr(sliders, "picture", lambda *_: b"")
    for slider in act.explore(name).children[:-2]:
        assert slider.min < act.get(name).defaults[slider.description] == slider.value < slider.max


def test_second_derivatives_are_drawn(monkeypatch):
    drawn = []
    monkeypatch.setattr(sliders, "curve", lambda function, x: drawn.append(function(x)) or (x, x))
    act.explore("gelu", lo=0, hi=1)
    assert drawn[0][0] == act.gelu.grad(0.0, n=2)


def test_custom_activations():
    @act.activation
    def halving(x, most=1.0):
        while most < abs(x) < 1e6:
            x = x / 2
        return x

    most, image, _ = act.explore(halving).children
    assert most.value == 1 and image.value


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ModuleNotFoundError, match=r'^sliders need ipywidgets: pip install "numba_act\[notebook\]"$'):
        act.explore("swish")


def test_wrong_input():
    with pytest.raises(ValueError, match=r"^there is no activation 'swihs'; did you mean swish"):
        act.explore("swihs")
    for name in ("swish", "relu"):
        with pytest.raises(ValueError, match="a range of lo=1, hi=0"):
            act.explore(name, lo=1, hi=0)
