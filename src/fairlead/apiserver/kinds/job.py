"""Jobs."""

from typing import Any

from fairlead.api.resources import JOBS
from fairlead.apiserver.kinds.deployment import default_template
from fairlead.apiserver.kinds.kind import IDENTITY, Kind, first_generation, identity, keep_status_and_count
from fairlead.apiserver.tables.job import COLUMNS
from fairlead.apiserver.validation.job import validate_job, validate_job_update

Json = dict[str, Any]

# Each is given in both ways: with the group's prefix, and as all clients before 1.27 knew it.
UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")


def default(job: Json) -> None:
    spec = job.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    default_template(spec)
    if not job["metadata"].get("labels") and (labels := spec["template"]["metadata"].get("labels")):
        job["metadata"]["labels"] = dict(labels)


def prepare_create(job: Json) -> None:
    """Pods are known by the Job's uid, which no other Job can have, unless the user wants to select them."""
    first_generation(job)
    metadata, spec = job["metadata"], job["spec"]
    if spec["manualSelector"] or spec.get("selector"):
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    labels |= dict.fromkeys(UID_LABELS, metadata["uid"]) | dict.fromkeys(NAME_LABELS, metadata.get("name", ""))
    spec["selector"] = {"matchLabels": {UID_LABELS[0]: metadata["uid"]}}


def selectable_fields(obj: Json) -> dict[str, str]:
    return identity(obj) | {"status.successful": str(obj.get("status", {}).get("succeeded", 0))}


JOB = Kind(
    JOBS,
    COLUMNS,
    default,
    validate_job,
    validate_job_update,
    prepare_create=prepare_create,
    prepare_update=keep_status_and_count,
    selectable_fields=selectable_fields,
    selectable_field_names=IDENTITY | {"status.successful"},
)
