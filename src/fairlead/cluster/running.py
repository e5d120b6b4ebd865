"""What is known of a cluster without asking it: whether it runs, and how it was planned."""

import json
from pathlib import Path

from fairlead.cluster.layout import AddressPlan, Layout, address_plan


class NotRunningError(Exception):
    """The cluster is not up."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(f"cluster {layout.name} is not running: start it with `fairlead up`")


def is_up(layout: Layout) -> bool:
    """Whether the warden or its guard runs."""
    return any(_alive(layout.run / f"{name}.pid") for name in ("warden", "guard"))


def _alive(path: Path) -> bool:
    try:
        pid = int(path.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return False
    return name.startswith("fairlead-")


def plan_of(layout: Layout) -> AddressPlan | None:
    """Of the cluster that is there."""
    try:
        described = json.loads(layout.plan.read_text())
    except (OSError, ValueError):
        return None
    return address_plan(described["network"], len(described["nodes"]), described["ipFamily"])
