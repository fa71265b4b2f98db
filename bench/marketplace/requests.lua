-- SPDX-License-Identifier: BSL-1.0
-- Copyright (c) 2026 the corolock developers
--
-- The requests that wrk sends: get FILE (a path on each line, taken in turn), path PATH,
-- register PREFIX PATH (agents that nobody has, named by PREFIX and a number).

local next_request

local function read_lines(file)
  local lines = {}
  for line in io.lines(file) do
    lines[#lines + 1] = line
  end
  return lines
end

local kinds = {}

function kinds.get(file)
  local requests = read_lines(file)
  for i, path in ipairs(requests) do
    requests[i] = wrk.format("GET", path)
  end
  local at = 0
  return function()
    at = at % #requests + 1
    return requests[at]
  end
end

function kinds.path(path)
  local request = wrk.format("GET", path)
  return function()
    return request
  end
end

function kinds.register(prefix, path)
  local headers = {["Content-Type"] = "application/json"}
  local number = 0
  return function()
    number = number + 1
    local name = prefix .. "-" .. number
    local body = '{"agent_name":"' .. name .. '","base_url":"https://' .. name ..
      '.example.com/a2a","description":"An agent of the benchmark","tags":["bench","' ..
      prefix .. '"]}'
    return wrk.format("POST", path, headers, body)
  end
end

function init(arguments)
  next_request = kinds[arguments[1]](arguments[2], arguments[3])
end

function request()
  return next_request()
end
