#!/bin/sh
# Registers a server, waits for it, calls one of its tools, and removes it again. Needs curl.
#
#   GATEWAY=http://127.0.0.1:6001 ADMIN_TOKEN=… sh examples/admin-api.sh
#
# Without ADMIN_TOKEN it works on the gateway's own machine, as long as no admin token is configured.
set -eu

gateway=${GATEWAY:-http://127.0.0.1:6001}
name=example-memory

admin() {
  method=$1 path=$2
  shift 2
  if [ -n "${ADMIN_TOKEN:-}" ]; then set -- "$@" --header "Authorization: Bearer $ADMIN_TOKEN"; fi
  curl --silent --show-error --fail-with-body --request "$method" \
    --header 'Content-Type: application/json' "$@" "$gateway/admin$path"
  echo
}

admin POST /mcps --data '{
  "name": "'"$name"'",
  "transport": "stdio",
  "command": "npx",
  "args": ["-y", "@modelcontextprotocol/server-memory@2026.8.31"]
}'

# It starts in the background; the status says how that went.
tries=0
until admin GET "/mcps/$name" | grep -q '"status":"connected"'; do
  tries=$((tries + 1))
  if [ "$tries" -gt 60 ]; then admin GET "/mcps/$name" && exit 1; fi
  sleep 1
done

admin POST /tools/call --data '{
  "mcpName": "'"$name"'",
  "toolName": "create_entities",
  "arguments": { "entities": [{ "name": "compozy", "entityType": "gateway", "observations": ["relays"] }] }
}'

admin DELETE "/mcps/$name"
