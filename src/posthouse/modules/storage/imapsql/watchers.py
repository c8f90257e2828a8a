"""Who wants to hear that a mailbox changed: sessions of this process at once, other processes over the bus."""

import secrets
from collections.abc import Callable, Sequence, Set
from typing import Final

from posthouse.core.world import Bus, Subscription

MAILBOXES_MAX: Final = 100  # in one message of the bus

Changed = Callable[[], None]


class _Watch:
    def __init__(self, watchers: "Watchers", mailbox: int, changed: Changed) -> None:
        self._watchers, self.mailbox, self.changed = watchers, mailbox, changed

    def close(self) -> None:
        self._watchers.forget(self)


class Watchers:
    """A message of the bus is `SENDER MAILBOX...`: ids of mailboxes; those that we sent are not heard again."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self._sender = secrets.token_hex(8)
        self._watches: dict[int, set[_Watch]] = {}
        self._subscription: Subscription | None = None

    def open(self) -> None:
        self._subscription = self._bus.subscribe(self._topic, self._heard)

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def watch(self, mailbox: int, changed: Changed) -> Subscription:
        watch = _Watch(self, mailbox, changed)
        self._watches.setdefault(mailbox, set()).add(watch)
        return watch

    def forget(self, watch: _Watch) -> None:
        watches = self._watches.get(watch.mailbox, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(watch.mailbox, None)

    def changed(self, mailboxes: Set[int]) -> None:
        """These changed by us: tell everybody."""
        self._tell(mailboxes)
        numbers = [str(mailbox) for mailbox in mailboxes]
        for at in range(0, len(numbers), MAILBOXES_MAX):
            self._bus.publish(self._topic, " ".join((self._sender, *numbers[at : at + MAILBOXES_MAX])))

    def _heard(self, payload: str) -> None:
        sender, *numbers = payload.split(" ")
        if sender != self._sender:
            self._tell([int(number) for number in numbers if number.isdecimal()])

    def _tell(self, mailboxes: Set[int] | Sequence[int]) -> None:
        for mailbox in mailboxes:
            for watch in tuple(self._watches.get(mailbox, ())):
                watch.changed()
