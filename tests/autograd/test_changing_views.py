"""In-place changes of memory that several tensors show, against PyTorch: all of them see it, with its gradients."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.autograd.compare import draw, same


def test_a_change_through_a_view_reaches_the_base() -> None:
    def expression(lib: Any, x: Any, w: Any) -> Any:
        y = x * 2
        y[0] += w
        y[1:, 1].mul_(w[1])
        y.t()[2] -= 1
        return y * y.detach()

    same(expression, draw(3, 4), draw(4))


def test_a_change_of_the_base_is_seen_by_its_views() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 2
        view = y[1:].t()
        y *= 3
        return view * 5 + y[0, 0]

    same(expression, draw(3, 4))


def test_a_change_of_the_base_is_seen_by_its_expanded_views() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 2
        repeated = y.unsqueeze(0).expand(5, 3, 4)
        y *= 3
        return repeated * lib.arange(5.0).view(5, 1, 1)

    same(expression, draw(3, 4))


def test_a_change_through_one_view_is_seen_by_another() -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 2
        first, second = y.view(-1), y[0]
        first[:3] *= 4
        return second.exp()

    same(expression, draw(3, 4))


def test_a_plain_buffer_filled_through_views_collects_gradients() -> None:
    def expression(lib: Any, x: Any) -> Any:
        out = lib.zeros(3, 4)
        for i in range(3):
            out[i] += x * (i + 1)
        assert out.requires_grad and not out.is_leaf
        return out.sum(0) if lib is None else out

    same(expression, draw(4))


def test_a_view_of_a_view_of_channels_last_memory() -> None:
    memory = draw(2, 4, 5, 3)

    def expression(lib: Any, x: Any) -> Any:
        y = x.permute(0, 3, 1, 2) * 2
        y[:, 1:][0].mul_(3)
        return y * y

    same(expression, memory)


@given(st.lists(st.sampled_from(["base", "view", "other"]), min_size=1, max_size=5))
def test_any_sequence_of_changes(targets: list[str]) -> None:
    def expression(lib: Any, x: Any) -> Any:
        y = x * 1
        parts = {"base": y, "view": y[1:], "other": y.t()[:2]}
        for k, target in enumerate(targets):
            parts[target].mul_(k + 2)
            parts[target].add_(x[0, 0])
        return y + parts["view"][0]

    same(expression, draw(3, 3))
