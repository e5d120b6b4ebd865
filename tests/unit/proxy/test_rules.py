"""Services that the kernel refuses, beside those that it takes."""

from collections.abc import Iterable, Sequence

import pytest

from fairlead.proxy.mode import ModeError
from fairlead.proxy.rules import MOST_REFUSED, Changes, Rules
from fairlead.services.model import ServicePort, ServicePortName


class Refusing:
    """A mode whose kernel takes whole changes or nothing, and no Service whose name begins with "bad"."""

    def __init__(self) -> None:
        self.kernel: Changes = {}
        self.transactions = 0

    def apply(self, changes: Changes) -> None:
        self.transactions += 1
        if any(key.startswith("dev/bad") for key in changes):
            raise ModeError("EINVAL")
        self.kernel |= changes

    def restart(self) -> None:
        self.kernel.clear()

    @property
    def known(self) -> Iterable[str]:
        return self.kernel

    def owns(self, table: str, name: str) -> bool:
        return False

    def clean_up(self) -> None:
        self.kernel.clear()


class Quiet:
    """Nobody else changes anything."""

    def quiet(self) -> "Quiet":
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def services(*names: str) -> Changes:
    return {f"dev/{name}": (ServicePort(ServicePortName("dev", name, "", "TCP"), "10.96.0.9", 80),) for name in names}


def rules(mode: Refusing) -> Rules:
    return Rules({"IPv4": mode}, [], Quiet())  # type: ignore[arg-type]


def test_all_others_are_programmed() -> None:
    mode = Refusing()
    names = [f"s{number}" for number in range(1000)]
    wanted = services(*names[:300], "bad-one", *names[300:], "bad-two")
    assert rules(mode).apply_what_can_be(wanted) == {"dev/bad-one": "EINVAL", "dev/bad-two": "EINVAL"}
    assert mode.kernel.keys() == services(*names).keys()
    assert mode.transactions < 50


def test_where_nearly_all_are_refused_it_is_not_they_that_are_wrong() -> None:
    mode = Refusing()
    with pytest.raises(ModeError):
        rules(mode).apply_what_can_be(services(*(f"bad{number}" for number in range(1000))))
    assert mode.transactions < 4 * MOST_REFUSED + 40


class Blind(Refusing):
    """A mode that cannot tell whether anything has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.intact = True

    def generation(self) -> object:
        return None

    def audit(self, keys: Sequence[str], *, fixed: bool) -> bool:
        self.looks += 1
        return self.intact


def test_where_nobody_can_tell_of_changes_looking_never_ends() -> None:
    mode = Blind()
    made = rules(mode)
    made.apply(services("web"))
    for round_ in range(1, 4):
        made._rest_until = 0.0
        assert made.audit()
        assert mode.looks == round_
    mode.intact = False
    made._rest_until = 0.0
    assert not made.audit()
