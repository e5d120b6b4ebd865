"""What nginx starts with, before the controller has read everything."""

from pathlib import Path

from fairlead.client.config import Config
from fairlead.client.rest import Client
from fairlead.ingress.adjusting import at_first
from fairlead.ingress.nginx.settings import Static
from fairlead.ingress.options import Options
from tests.unit.api_server import api_server

OPTIONS = Options(configmap="default/settings")


async def test_the_config_map_is_asked_for_first_so_that_nginx_need_not_reload(tmp_path: Path) -> None:
    async with api_server(tmp_path) as client:
        assert (await at_first(client, OPTIONS)).static == Static()  # there is none
        settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
        await client.create("configmaps", {**settings, "data": {"keep-alive": "7"}}, "default")
        assert (await at_first(client, OPTIONS)).static.keep_alive == 7
        assert (await at_first(client, Options())).static == Static()


async def test_an_api_that_does_not_answer_is_not_waited_for() -> None:
    client = Client(Config("http://127.0.0.1:1"))
    assert (await at_first(client, OPTIONS)).static == Static()
    await client.close()
