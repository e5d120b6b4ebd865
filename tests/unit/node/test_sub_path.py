"""Where in a volume a mount begins."""

import pytest

from fairlead.api.types.core import VolumeMount
from fairlead.node.container_spec import sub_path
from fairlead.node.sources import SourceError

VARIABLES = {"POD_NAME": "foo", "KIND": "mine", "ROOT": "/etc", "UP": ".."}


def test_it_may_be_said_by_variables_of_the_container() -> None:
    assert (
        sub_path(VolumeMount(name="v", mount_path="/m", sub_path_expr="$(KIND)/$(POD_NAME)"), VARIABLES) == "mine/foo"
    )
    assert sub_path(VolumeMount(name="v", mount_path="/m", sub_path="$(KIND)"), VARIABLES) == "$(KIND)"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("$(NONE)", "missing value for"),
        ("$(ROOT)/x", "must not be an absolute path"),
        ("a/$(UP)/b", "must not contain"),
    ],
)
def test_what_leads_nowhere_or_out_of_the_volume_is_refused(expression: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        sub_path(VolumeMount(name="v", mount_path="/m", sub_path_expr=expression), VARIABLES)
