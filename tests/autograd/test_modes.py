from __future__ import annotations

import threading

import scratchconv as sc


def records() -> bool:
    return (sc.ones(1, requires_grad=True).view(1)).requires_grad


def test_no_grad_and_enable_grad_nest_and_restore() -> None:
    assert records() and sc.is_grad_enabled()
    with sc.no_grad():
        assert not records() and not sc.is_grad_enabled()
        with sc.enable_grad():
            assert records()
        assert not records()
    assert records()


def test_the_mode_is_restored_after_an_exception() -> None:
    try:
        with sc.no_grad():
            raise KeyError
    except KeyError:
        pass
    assert records()


def test_a_decorated_function_runs_in_the_mode_even_recursively() -> None:
    @sc.no_grad()
    def depth(n: int) -> bool:
        return records() or (n > 0 and depth(n - 1))

    assert not depth(3)
    assert records()


def test_each_thread_has_its_own_mode() -> None:
    seen: list[bool] = []
    with sc.no_grad():
        thread = threading.Thread(target=lambda: seen.append(records()))
        thread.start()
        thread.join()
        assert not records()
    assert seen == [True]
