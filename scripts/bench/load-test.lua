-- Script of wrk for load-test.py: requests one text after the other and compares each response with the output of `infer`.
-- The environment variable EXPECTED names a file with one line `text TAB body` per text.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init()
  checked, wrong, failed, first = 0, 0, 0, ""
  texts, expected = {}, {}
  for line in io.lines(os.getenv("EXPECTED")) do
    local text, body = line:match("^(.-)\t(.*)$")
    table.insert(texts, text)
    expected[text] = body
  end
  -- Each thread starts at another text.
  at = number * 1009
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
end

function request()
  at = at + 1
  local text = texts[at % #texts + 1]
  return wrk.format(nil, "/translate", nil, '{"text":"' .. text .. '"}')
end

function response(status, headers, body)
  -- The response contains its source; no text of the file has escapes in JSON.
  local text = body:match('"source":"(.-)","unknown"')
  if status ~= 200 then
    failed = failed + 1
  elseif text and expected[text] == body then
    checked = checked + 1
  else
    wrong = wrong + 1
  end
  if first == "" and (status ~= 200 or expected[text] ~= body) then
    first = status .. " " .. body:sub(1, 300)
  end
end

function done(summary, latency, requests)
  local sum = { checked = 0, wrong = 0, failed = 0 }
  for _, thread in ipairs(threads) do
    for name in pairs(sum) do sum[name] = sum[name] + thread:get(name) end
    if thread:get("first") ~= "" then io.write("first-bad " .. thread:get("first") .. "\n") end
  end
  for name, value in pairs(sum) do io.write(string.format("%s %d\n", name, value)) end
  io.write(string.format("rate %.1f\n", summary.requests / (summary.duration / 1e6)))
  for _, percent in ipairs({ 50, 90, 99 }) do
    io.write(string.format("p%d %.2f\n", percent, latency:percentile(percent) / 1000))
  end
  io.write(string.format("socket-errors %d\n",
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
