"""The official Python SDK 1.x: sdk1.py ENDPOINT URL TOKEN."""

from contextlib import asynccontextmanager

import httpx
import mcp.types as types
from checks import ANSWERS, main
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl


class Adapter:
    def __init__(self):
        self.session = None
        self.version = ""
        self.logs, self.updates, self.list_changes = [], [], []
        self.last_id = None

    async def on_message(self, message):
        root = getattr(message, "root", None)
        if isinstance(root, types.ResourceUpdatedNotification):
            self.updates.append(str(root.params.uri))
        elif isinstance(root, types.ToolListChangedNotification):
            self.list_changes.append(root)

    async def on_log(self, params):
        self.logs.append(params.data)

    async def tools(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        async def progress(done, total, message):
            on_progress(done)

        if name == "wait":
            self.last_id = self.session._request_id
        result = await self.session.call_tool(
            name, arguments, progress_callback=progress if on_progress else None
        )
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def cancel(self, task):
        # The SDK has no way to cancel a call of its own; this is what its users write.
        params = types.CancelledNotificationParams(requestId=self.last_id, reason="enough")
        note = types.CancelledNotification(method="notifications/cancelled", params=params)
        await self.session.send_notification(types.ClientNotification(note))

    async def log_everything(self):
        await self.session.set_logging_level("debug")

    async def resources(self):
        return [str(one.uri) for one in (await self.session.list_resources()).resources]

    async def read(self, uri):
        return (await self.session.read_resource(AnyUrl(uri))).contents[0].text

    async def subscribe(self, uri):
        await self.session.subscribe_resource(AnyUrl(uri))

    async def prompts(self):
        return [one.name for one in (await self.session.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return (await self.session.get_prompt(name, arguments)).messages[0].content.text

    async def complete(self, prompt, argument, value):
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return (await self.session.complete(reference, {"name": argument, "value": value})).completion.values


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": ANSWERS["name"]})


async def sample(context, params):
    content = types.TextContent(type="text", text=ANSWERS["model"])
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri=ANSWERS["root"])])


@asynccontextmanager
async def streams(endpoint, url, token):
    headers = {"Authorization": f"Bearer {token}"}
    if endpoint == "sse":
        async with sse_client(url, headers=headers) as (reader, writer):
            yield reader, writer
    else:
        timeout = httpx.Timeout(30, read=300)
        async with httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=True) as http:
            async with streamable_http_client(url, http_client=http) as (reader, writer, _):
                yield reader, writer


@asynccontextmanager
async def connected(endpoint, url, token):
    adapter = Adapter()
    async with (
        streams(endpoint, url, token) as (reader, writer),
        ClientSession(
            reader,
            writer,
            sampling_callback=sample,
            elicitation_callback=elicit,
            list_roots_callback=roots,
            logging_callback=adapter.on_log,
            message_handler=adapter.on_message,
        ) as session,
    ):
        adapter.session = session
        adapter.version = (await session.initialize()).protocolVersion
        yield adapter


main(connected)
