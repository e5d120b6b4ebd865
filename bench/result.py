"""One measured figure beside its peer, both from the same run."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """`ratio` is value over peer's value; without a peer it is nothing."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    target: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.peer_value if self.peer_value else None

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "ratio": self.ratio})

    def to_line(self) -> str:
        line = f"{self.name:<52} {self.value:>12,.2f} {self.unit:<8}"
        if self.ratio is not None:
            line += f" {self.ratio:>7.2f} × {self.peer} ({self.peer_value:,.2f})"
        return line + (f"   target {self.target}" if self.target else "")
