"""openai-agents, which uses tools, prompts and resources only: agents_client.py ENDPOINT URL TOKEN."""

from contextlib import asynccontextmanager

from agents.mcp import MCPServerSse, MCPServerStreamableHttp
from checks import main

LACKS = [
    "progress", "cancel", "logging", "subscribe", "completion", "elicitation", "sampling", "roots", "list_changed",
]  # fmt: skip


class Adapter:
    def __init__(self, server):
        self.server = server
        self.version = getattr(server.session, "protocol_version", None) or ""

    async def tools(self):
        return [tool.name for tool in await self.server.list_tools()]

    async def call(self, name, arguments):
        result = await self.server.call_tool(name, arguments)
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def resources(self):
        return [str(one.uri) for one in (await self.server.list_resources()).resources]

    async def read(self, uri):
        return (await self.server.read_resource(uri)).contents[0].text

    async def prompts(self):
        return [one.name for one in (await self.server.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return (await self.server.get_prompt(name, arguments)).messages[0].content.text


@asynccontextmanager
async def connected(endpoint, url, token):
    params = {"url": url, "headers": {"Authorization": f"Bearer {token}"}}
    kind = MCPServerSse if endpoint == "sse" else MCPServerStreamableHttp
    async with kind(params=params, client_session_timeout_seconds=20) as server:
        yield Adapter(server)


main(connected, LACKS)
