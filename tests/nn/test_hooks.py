from __future__ import annotations

import gc
from typing import Any

from scratchconv import nn


class Double(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2


def test_pre_hook_sees_and_replaces_arguments() -> None:
    module, seen = Double(), []
    module.register_forward_pre_hook(lambda m, args: seen.append((m, args)))
    module.register_forward_pre_hook(lambda m, args: args[0] + 1)
    module.register_forward_pre_hook(lambda m, args: (args[0] * 10,))
    assert module(1) == 40
    assert seen == [(module, (1,))]


def test_hook_sees_and_replaces_the_output() -> None:
    module, seen = Double(), []
    module.register_forward_hook(lambda m, args, y: seen.append((m, args, y)))
    module.register_forward_hook(lambda m, args, y: y + 1)
    module.register_forward_hook(lambda m, args, y: -y)
    assert module(3) == -7
    assert seen == [(module, (3,), 6)]


def test_handles_remove_only_their_own_hook() -> None:
    module = Double()
    first = module.register_forward_hook(lambda m, args, y: y + 1)
    module.register_forward_hook(lambda m, args, y: y + 10)
    first.remove()
    first.remove()
    assert module(0) == 10
    with module.register_forward_pre_hook(lambda m, args: 5):
        assert module(0) == 20
    assert module(0) == 10


def test_a_hook_may_remove_itself_while_running() -> None:
    module = Double()
    handle = module.register_forward_hook(lambda m, args, y: handle.remove())
    assert [module(1), module(1)] == [2, 2]
    assert not module._forward_hooks


def test_a_handle_does_not_keep_the_module_alive() -> None:
    module = Double()
    handle = module.register_forward_hook(lambda m, args, y: None)
    del module
    gc.collect()
    assert handle._table() is None
    handle.remove()
