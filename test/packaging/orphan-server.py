"""An MCP server whose one tool leaves an orphan behind: a grandchild that ends after its parent did."""
import json
import subprocess
import sys

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {}
    if message["method"] == "initialize":
        result = {
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "orphan", "version": "1"},
        }
    elif message["method"] == "tools/list":
        result = {"tools": [{"name": "orphan", "inputSchema": {"type": "object"}}]}
    elif message["method"] == "tools/call":
        subprocess.run(["sh", "-c", "sleep 0.2 >/dev/null & true"], check=True)
        result = {"content": [{"type": "text", "text": "left"}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
