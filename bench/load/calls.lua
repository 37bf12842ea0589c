-- tools/call with a fresh id for every request. HEADERS (a line each), BEFORE and AFTER come from the
-- environment: the request is BEFORE, the id, AFTER.
local headers = {}
for name, value in os.getenv("HEADERS"):gmatch("([^:\n]+): ([^\n]+)") do headers[name] = value end
local before, after = os.getenv("BEFORE"), os.getenv("AFTER")

local threads = {}
function setup(thread)
  thread:set("first", #threads * 100000000)
  table.insert(threads, thread)
end

sent, seen, wrong = 0, 0, 0

function request()
  sent = sent + 1
  return wrk.format("POST", nil, headers, before .. (first + sent) .. after)
end

-- The status of every answer counts; a look into each body would make wrk the bottleneck.
function response(status, _, body)
  seen = seen + 1
  if status ~= 200 or (seen % 64 == 0 and not body:find('"content"', 1, true)) then wrong = wrong + 1 end
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("wrong") end
  local broken = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%.4f,"requestsPerSecond":%.1f,"p50Ms":%.4f,"p90Ms":%.4f,"p99Ms":%.4f,"maxMs":%.4f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    bad + broken.connect + broken.read + broken.write + broken.timeout))
end
