"""Jobs."""

import itertools
from typing import Any

from fairlead.api import time as api_time
from fairlead.apiserver.tables.column import AGE, NAME, Column
from fairlead.apiserver.tables.duration import human
from fairlead.apiserver.tables.workload import WIDE

Json = dict[str, Any]


def _state(obj: Json, _: float) -> str:
    """The first of these that is so."""
    true = {each["type"] for each in obj.get("status", {}).get("conditions", ()) if each["status"] == "True"}
    going = ("Terminating",) if obj["metadata"].get("deletionTimestamp") else ()
    order = itertools.chain(("Complete", "Failed"), going, ("Suspended", "FailureTarget", "SuccessCriteriaMet"))
    return next((each for each in order if each in true or each in going), "Running")


def _completions(obj: Json, _: float) -> str:
    spec, succeeded = obj["spec"], obj.get("status", {}).get("succeeded", 0)
    if (wanted := spec.get("completions")) is not None:
        return f"{succeeded}/{wanted}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(obj: Json, now: float) -> str:
    status = obj.get("status", {})
    if not (began := status.get("startTime")):
        return ""
    ended = status.get("completionTime")
    return human((api_time.parse(ended) if ended else now) - api_time.parse(began))


COLUMNS = (
    NAME,
    Column("Status", _state),
    Column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    *WIDE,
)
