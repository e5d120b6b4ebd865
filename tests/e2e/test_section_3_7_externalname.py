"""Section 3.7: a Service that is another name for something outside the cluster."""

import re
from pathlib import Path

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.machine import eventually
from tests.e2e.test_section_3_2_clusterip import described

pytestmark = pytest.mark.e2e

NAME = "service-externalname.dev.svc.cluster.local"


def test_it_is_shown_with_its_external_name(kubectl: Kubectl, chapter: Path) -> None:
    created = kubectl(f"create -f {chapter}/service-externalname.yaml").ok().out
    assert created == "service/service-externalname created\n"
    (row,) = kubectl.rows("get svc service-externalname -n dev")
    assert (row["TYPE"], row["CLUSTER-IP"], row["EXTERNAL-IP"], row["PORT(S)"]) == (
        "ExternalName",
        "<none>",
        "www.baidu.com",
        "<none>",
    )
    text = described(kubectl("describe svc service-externalname -n dev").ok().out)
    assert (text["Type"], text["External Name"]) == ("ExternalName", "www.baidu.com")
    assert (text["IP"], text["Selector"]) == ("", "<none>")


def test_dig_shows_where_it_leads(kubectl: Kubectl, chapter: Path) -> None:
    kubectl(f"create -f {chapter}/service-externalname.yaml").ok()

    def answered() -> None:
        out = kubectl.machine.on_node("master", "dig", "+tries=1", "+time=2", "@10.96.0.10", NAME).ok().out
        assert "status: NOERROR" in out
        assert ";; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1" in out
        assert re.search(rf"^{re.escape(NAME)}\.\s+30\s+IN\s+CNAME\s+www\.baidu\.com\.$", out, re.MULTILINE)
        assert "SERVER: 10.96.0.10#53(10.96.0.10)" in out

    eventually(answered)
