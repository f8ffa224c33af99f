"""Reading ahead gives the items of an iterator in their order, and leaves no thread behind."""

import threading
from contextvars import ContextVar

import pytest

from pysmorch.engine.ahead import ahead

CHOSEN = ContextVar("chosen", default="not set")


def reading():
    return [thread for thread in threading.enumerate() if thread.name == "reading ahead"]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_items_come_in_their_order_from_another_thread(count):
    items = ((i, threading.current_thread()) for i in range(count))
    found = list(ahead(items))
    assert [i for i, _ in found] == list(range(count))
    assert all(thread is not threading.current_thread() for _, thread in found)
    assert not reading()


def test_few_items_are_made_before_they_are_asked_for():
    made = []
    items = ahead(made.append(i) or i for i in range(100))
    assert next(items) == 0
    for _ in range(100):
        if len(made) == 3:
            break
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    assert len(made) <= 3
    items.close()
    assert len(made) < 6
    assert not reading()


def test_what_making_an_item_raises_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("the second item is damaged")

    found = []
    with pytest.raises(ValueError, match="the second item is damaged"):
        found.extend(ahead(items()))
    assert not reading()


def test_what_is_set_here_holds_in_the_thread():
    token = CHOSEN.set("set")
    try:
        assert list(ahead(CHOSEN.get() for _ in range(2))) == ["set", "set"]
    finally:
        CHOSEN.reset(token)


def test_an_exception_of_whoever_uses_the_items_ends_the_thread():
    def use():
        for i in ahead(range(10**9)):
            if i == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert not reading()
