"""Which taps lie inside the image, told by arithmetic and by asking each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scratchconv.kernels.conv2d import _axis
from scratchconv.kernels.conv2d._plan import Direction, forward_direction, input_grad_direction


@st.composite
def some_directions(draw: st.DrawFn) -> Direction:
    taps, stride, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding, out = draw(st.integers(0, 4)), draw(st.integers(1, 9))
    size = (out - 1) * stride + dilation * (taps - 1) + 1 - 2 * padding + draw(st.integers(0, stride - 1))
    make = draw(st.sampled_from([forward_direction, input_grad_direction]))
    return make(max(1, size), out, taps, stride, padding, dilation)


@given(direction=some_directions())
def test_taps_inside_the_source(direction: Direction) -> None:
    axis = _axis.axis(direction)
    for phase, taps in enumerate(direction.phases):
        row = axis.phases[phase]
        assert row[_axis.COUNT] == len(taps)
        for t, (shift, tap) in enumerate(taps):
            assert (row[_axis.SHIFT] + t * row[_axis.GAP], row[_axis.TAP] + t * row[_axis.TAP_GAP]) == (shift, tap)
        assert _axis.positions(axis, phase) == direction.count(phase)
        for i in range(direction.count(phase)):
            inside = [t for t, (shift, _) in enumerate(taps) if 0 <= i * direction.step + shift < direction.source]
            begin, end = _axis.reach(axis, phase, i)
            assert list(range(begin, end)) == inside
            if row[_axis.FIRST] <= i < row[_axis.LAST]:
                assert len(inside) == len(taps)
