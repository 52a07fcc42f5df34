from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scratchconv.ops import batch_norm as op
from tests.ops.beside_torch import Array, assert_directional_derivative, assert_same_error, by_torch, forward_backward
from tests.strategies import LAYOUTS, layouts

batch_norm = torch.nn.functional.batch_norm
NO_BUFFERS = {"running_mean": None, "running_var": None}


def arguments(shape: tuple[int, ...], dtype: Any = np.float64, offset: float = 0.0) -> tuple[list[Array], Array, dict]:
    """[x, gamma, beta], dy and fresh running buffers; all float32 numbers, so both dtypes see the same."""
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal(shape).astype(np.float32).astype(dtype) for _ in range(2))
    gamma, beta, mean, var = rng.uniform(0.5, 2, (4, shape[1])).astype(np.float32).astype(dtype)
    return [x + dtype(offset), gamma, beta], dy, {"running_mean": mean, "running_var": var}


def results(
    function: Any, arrays: list[Array], dy: Array, buffers: dict[str, Array], **params: Any
) -> dict[str, Array]:
    """Output, gradients and moved buffers of our operation, or of torch's function."""
    buffers = {name: buffer.copy() for name, buffer in buffers.items()}
    if function is op:
        y, gradients = forward_backward(op, arrays, dy, **buffers, **params)
    else:
        tensors = [torch.from_numpy(buffer) for buffer in buffers.values()]
        y, gradients = by_torch(lambda x, gamma, beta: batch_norm(x, *tensors, gamma, beta, **params), arrays, dy)
    return {"y": y, **dict(zip(("dx", "dgamma", "dbeta"), gradients, strict=True)), **buffers}


@given(
    n=st.integers(1, 4),
    c=st.integers(1, 20),
    h=st.integers(1, 6),
    w=st.integers(2, 7),
    training=st.booleans(),
    momentum=st.sampled_from([0.0, 0.1, 1.0]),
    layout=layouts,
)
def test_equals_torch_in_any_memory(
    n: int, c: int, h: int, w: int, training: bool, momentum: float, layout: str
) -> None:
    # eps = 0.5 keeps the condition number near 1 where a channel has two values that nearly agree. What remains are
    # some ten roundings (1e-16) of numbers up to 10 and of sums of up to 168 of them.
    arrays, dy, buffers = arguments((n, c, h, w))
    params = {"training": training, "momentum": momentum, "eps": 0.5}
    arrays[0], dy = LAYOUTS[layout](arrays[0]), LAYOUTS[layout](dy)
    found, wanted = results(op, arrays, dy, buffers, **params), results(batch_norm, arrays, dy, buffers, **params)
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4])
@pytest.mark.parametrize("channels", [3, 16, 33])
def test_float32_error_is_at_most_twice_torchs(training: bool, offset: float, channels: int) -> None:
    """Of each result, by RMS: ours rounds less, but a single realisation of two errors of one size may differ by 2.

    Below 2e-7 of the result's own size (three roundings) an error is not compared: torch may be lucky there.
    """
    shape = (8, channels, 14, 14)
    arrays, dy, buffers = arguments(shape, np.float32, offset)
    buffers["running_mean"] += np.float32(offset)
    params = {"training": training, "momentum": 0.1, "eps": 1e-5}
    ours, theirs = results(op, arrays, dy, buffers, **params), results(batch_norm, arrays, dy, buffers, **params)
    wide = [array.astype(np.float64) for array in arrays]
    wide_buffers = {name: buffer.astype(np.float64) for name, buffer in buffers.items()}
    truth = results(batch_norm, wide, dy.astype(np.float64), wide_buffers, **params)
    for name, exact in truth.items():
        size = np.sqrt(np.square(exact).mean())
        error, reference = (np.sqrt(np.square(result[name] - exact).mean()) for result in (ours, theirs))
        assert error <= max(2 * reference, 2e-7 * size), name


@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4), (2, 5, 3, 2, 2)], ids=str)
def test_other_numbers_of_dimensions(shape: tuple[int, ...]) -> None:
    arrays, dy, buffers = arguments(shape)
    found = results(op, arrays, dy, buffers, training=True)
    for name, value in results(batch_norm, arrays, dy, buffers, training=True).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 0, 4)], ids=str)
def test_empty_inputs(shape: tuple[int, ...], training: bool) -> None:
    arrays, dy, buffers = arguments(shape)
    found = results(op, arrays, dy, buffers, training=training)
    for name, value in results(batch_norm, arrays, dy, buffers, training=training).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        assert found[name].shape == value.shape


def test_no_channels() -> None:
    arrays, dy, buffers = arguments((2, 0, 3, 3))
    found = results(op, arrays, dy, buffers, training=True)
    assert {name: value.shape for name, value in found.items()} == {
        **dict.fromkeys(("y", "dx"), (2, 0, 3, 3)),
        **dict.fromkeys(("dgamma", "dbeta", "running_mean", "running_var"), (0,)),
    }


def test_by_hand() -> None:
    """Channel (1, 3): mean 2, variance 1, unbiased variance 2; eps 3 makes the divisor 2."""
    x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
    mean, var = np.array([10.0]), np.array([20.0])
    gamma, beta = np.array([4.0]), np.array([5.0])
    y, saved = op.forward(x, gamma, beta, running_mean=mean, running_var=var, training=True, momentum=0.25, eps=3.0)
    np.testing.assert_array_equal(y.ravel(), [3, 7])
    np.testing.assert_array_equal([mean, var], [[8], [15.5]])
    dx, dgamma, dbeta = op.backward(saved, np.array([1.0, 3.0]).reshape(x.shape), (True, True, True))
    # xhat = ∓1/2, so dgamma = (3 - 1)/2, dbeta = 4, dx = 4/2 * (dy - 2 - xhat * 1/2) = 2 * (∓1 ± 1/4)
    np.testing.assert_array_equal([dgamma, dbeta], [[1], [4]])
    np.testing.assert_array_equal(dx.ravel(), [-1.5, 1.5])


@pytest.mark.parametrize("training", [True, False])
def test_gamma_beta_and_buffers_may_be_missing(training: bool) -> None:
    arrays, dy, buffers = arguments((3, 4, 2, 2))
    buffers = dict.fromkeys(buffers) if training else buffers
    y, saved = op.forward(arrays[0], None, None, **buffers, training=training)
    dx, dgamma, dbeta = op.backward(saved, dy, (True, False, False))
    tensors = [None if buffer is None else torch.from_numpy(buffer) for buffer in buffers.values()]
    wanted, (wanted_dx,) = by_torch(lambda x: batch_norm(x, *tensors, training=training), arrays[:1], dy)
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, wanted_dx, rtol=1e-12, atol=1e-12)
    assert dgamma is dbeta is None


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)])
@pytest.mark.parametrize("training", [True, False])
def test_only_what_is_needed_is_returned(needs: tuple[bool, ...], training: bool) -> None:
    arrays, dy, buffers = arguments((3, 4, 2, 2))
    _, saved = op.forward(*arrays, **buffers, training=training)
    everything = op.backward(saved, dy, (True, True, True))
    for part, whole, need in zip(op.backward(saved, dy, needs), everything, needs, strict=True):
        assert (part is not None) == need
        if need:
            np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("training", [True, False])
def test_directional_derivative(training: bool) -> None:
    arrays, _, buffers = arguments((3, 5, 4, 3))
    assert_directional_derivative(op, arrays, **buffers, training=training, momentum=0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("training", [True, False])
def test_nan_and_infinity_stay_in_their_channel(bad: float, training: bool) -> None:
    arrays, dy, buffers = arguments((3, 5, 4, 3), np.float32)
    arrays[0][1, 2, 3, 1] = bad
    found = results(op, arrays, dy, buffers, training=training)
    wanted = results(batch_norm, arrays, dy, buffers, training=training)
    for name in ("y", "dx", "dgamma", "dbeta"):
        np.testing.assert_array_equal(np.isfinite(found[name]), np.isfinite(wanted[name]), err_msg=name)


def test_result_lies_channels_last() -> None:
    arrays, dy, buffers = arguments((3, 5, 4, 3))
    y, saved = op.forward(*arrays, **buffers, training=True)
    for array in (y, op.backward(saved, dy, (True, True, True))[0]):
        assert array.transpose(0, 2, 3, 1).flags.c_contiguous


ERRORS: list[tuple[dict[str, Any], list[str]]] = [
    ({"x": np.zeros((1, 3, 1, 1), np.float32)}, ["(1, 3, 1, 1)"]),
    ({"gamma": np.zeros(4, np.float32)}, ["weight", "(2, 3, 4, 5)", "(4,)"]),
    ({"beta": np.zeros(2, np.float32)}, ["bias", "(2, 3, 4, 5)", "(2,)"]),
    ({"running_mean": np.zeros(4, np.float32)}, ["running_mean", "(2, 3, 4, 5)", "(4,)"]),
    ({"running_var": np.zeros(4, np.float32)}, ["running_var", "(2, 3, 4, 5)", "(4,)"]),
    ({"gamma": np.zeros(3)}, ["weight float64", "(2, 3, 4, 5)"]),
    ({"running_mean": np.zeros(3), "running_var": np.ones(3)}, ["running_mean float64"]),
    ({"running_var": None}, ["None", "var"]),
    ({"running_mean": None, "training": False}, ["running_mean", "None"]),
    ({"running_var": None, "training": False}, ["running_var", "None"]),
    ({"momentum": None}, ["momentum", "None"]),
    ({"eps": None}, ["eps", "None"]),
    ({"eps": 0.0}, ["eps", "0.0"]),
    ({"eps": -1.0, "training": False}, ["eps", "-1.0"]),
    ({"x": np.zeros((2, 3, 4, 5), np.int64)}, ["int64", "(2, 3, 4, 5)"]),
]


@pytest.mark.parametrize(("wrong", "mentions"), ERRORS, ids=str)
def test_errors_are_torchs(wrong: dict[str, Any], mentions: list[str]) -> None:
    x = np.ones((2, 3, 4, 5), np.float32)
    given = {"x": x, "gamma": None, "beta": None, "running_mean": x[0, :, 0, 0], "running_var": x[0, :, 0, 0]} | wrong
    options = {"training": True, "momentum": 0.1, "eps": 1e-5}
    options |= {name: given.pop(name) for name in list(given) if name in options}
    tensors = {name: None if array is None else torch.tensor(array) for name, array in given.items()}
    order = ("x", "running_mean", "running_var", "gamma", "beta")
    assert_same_error(
        lambda: op.forward(**given, **options),
        lambda: batch_norm(*(tensors[name] for name in order), **options),
        *mentions,
    )


def test_one_dimension_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"\(5,\)"):
        op.forward(np.zeros(5), **NO_BUFFERS, training=True)
