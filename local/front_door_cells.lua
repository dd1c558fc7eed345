-- Which cell a request goes to: that of the id in its path; else the one that its path prefix, its header or its host names;
-- else the only one. What no cell has for itself any of them answers. Before this (local/front_door_cells.py) stand `cells`,
-- each with name and number (a text), `service_version`, `of_none`, the paths that any cell answers, and `not_found`, a problem in
-- three parts.
local by_name, by_number, names, told = {}, {}, {}, {}
for index, cell in ipairs(cells) do
  by_name[cell.name], by_number[cell.number] = cell, cell
  names[index], told[index] = cell.name, ('{"name":"%s","number":%s}'):format(cell.name, cell.number)
end
local list = ('{"cells":[%s]}\n'):format(table.concat(told, ","))
local these = " The cells are: " .. table.concat(names, ", ") .. "."
local wrong = "There is no such cell." .. these
local absent = "Name the cell: by the header Payment-Cell, or by a path that begins with /cells/NAME." .. these
local twice = "The header Payment-Cell is given more than once."
local differ = "The request names two cells: its path, its header Payment-Cell and its host must name the same."
local greatest = 2 ^ 53 - 1 -- numbers are exact as far as here, and no cell gives out a greater id
local ids_of_a_cell = 2 ^ 40
-- Milliseconds: for all cells' health together, for one cell's, and for which it is remembered.
local patience, patience_for_one, remembered = 5000, 2500, 1000
local lately = {at = 0, asked = 0}

-- The number of the cell that gave out this id; nil for what is none.
function cell_of_id(id)
  -- Before it is looked at: a pattern takes the square of its length.
  local digits = #id <= 19 and id:match("^0*(%d+)$")
  if not digits or #digits > 16 then return nil end
  local number = tonumber(digits)
  if number < 1 or number > greatest then return nil end
  return tostring(math.floor(number / ids_of_a_cell))
end

-- The id or reference of a path, if it has one, and the number of the cell that gave it out.
function given_out(path)
  local id = path:match("^/payments/([^/]+)") or path:match("^/console/payments/([^/]+)")
  if id then return id, cell_of_id(id) end
  local settled = path:match("^/console/settle/([^/]+)$")
  if not settled or #settled > 40 then return end -- no reference is as long
  local reference, number = settled:match("^(%u+%-%d+%-%w+%-?(%d*))$")
  if reference then return reference, number == "" and "0" or number end
end

-- The path without the prefix /v1 and without a slash at its end: it has the same meaning with them.
function bare(path)
  if path == "/v1" or path:find("^/v1/") then path = path:sub(4) end
  if path:sub(-1) == "/" then path = path:sub(1, -2) end
  return path == "" and "/" or path
end

function say(request, status, kind, body)
  local noted = request:streamInfo():dynamicMetadata():get("front_door")
  request:respond({[":status"] = status, ["content-type"] = kind, ["x-correlation-id"] = noted.id}, body)
end

function refuse(request, why)
  request:streamInfo():dynamicMetadata():set("front_door", "detail", why)
  request:respond({[":status"] = "400"}, "")
end

function say_not_found(request)
  local noted = request:streamInfo():dynamicMetadata():get("front_door")
  say(request, "404", "application/problem+json", not_found[1] .. noted.instance .. not_found[2] .. noted.id .. not_found[3])
end

-- Whether a cell says within so many milliseconds that it is up.
function is_up(request, cell, within)
  local noted = request:streamInfo():dynamicMetadata():get("front_door")
  local answer = request:httpCall(cell.number, {
    [":method"] = "GET",
    [":path"] = "/health",
    [":authority"] = cell.name,
    ["payment-cell"] = cell.number,
    ["x-correlation-id"] = noted.id,
  }, "", within)
  return answer[":status"] == "200"
end

-- All cells' health, one asked after the other, each within its part of what is left of the time. While one request asks, and
-- for a second after, others are told what was found last: who asks often asks the cells no oftener. (Who asked may have hung
-- up, and nothing been found: that is waited for no longer than it could have taken.)
function say_health(request)
  local began = request:timestamp()
  if not lately.text or (began - lately.at > remembered and began - lately.asked > patience) then
    lately.asked = began
    local states, any = {}, false
    for index, cell in ipairs(cells) do
      local left = math.max(patience - (request:timestamp() - began), 100) / (#cells - index + 1)
      local up = is_up(request, cell, math.ceil(math.min(left, patience_for_one)))
      states[index] = ('"%s":"%s"'):format(cell.name, up and "UP" or "DOWN")
      any = any or up
    end
    local now, state = request:timestamp(), any and "UP" or "DOWN"
    local stamp = os.date("!%Y-%m-%dT%H:%M:%S", math.floor(now / 1000)) .. (".%03dZ"):format(now % 1000)
    lately = {
      text = ('{"service":"payment-service","version":"%s","status":"%s","database_status":"%s","cells":{%s},"timestamp":"%s"}\n')
        :format(service_version, state, state, table.concat(states, ","), stamp),
      status = any and "200" or "503",
      at = now,
      asked = 0,
    }
  end
  say(request, lately.status, "application/json", lately.text)
end

-- The cell that prefix, header and host name; or nil, and why the request is refused, if it is.
function named(headers, prefix)
  local found = {}
  if prefix then
    if not by_name[prefix] then return nil, wrong end
    found[#found + 1] = by_name[prefix]
  end
  local header = headers:get("payment-cell")
  if header then
    if headers:getNumValues("payment-cell") > 1 then return nil, twice end
    local cell = by_name[header:lower()] or by_number[header]
    if not cell then return nil, wrong end
    found[#found + 1] = cell
  end
  local label = (headers:get(":authority") or ""):lower():match("^[^.:]+")
  found[#found + 1] = by_name[label]
  for _, cell in ipairs(found) do
    if cell ~= found[1] then return nil, differ end
  end
  return found[1]
end

function send(request, path, cell, prefixed)
  local headers = request:headers()
  headers:replace(":path", path)
  if cell then headers:replace("payment-cell", cell.number) end
  if prefixed then headers:replace("x-forwarded-prefix", "/cells/" .. cell.name) end
  request:clearRouteCache()
end

function envoy_on_request(request)
  local headers = request:headers()
  headers:remove("x-forwarded-prefix")
  local method = headers:get(":method")
  local reads = method == "GET" or method == "HEAD"
  local path, query = headers:get(":path"):match("^([^?#]*)(.*)$")
  local version = path:find("^/v1/") and "/v1" or ""
  local prefix, behind = path:sub(#version + 1):match("^/cells/([^/]+)(.*)$")
  if prefix then path = version .. behind end
  if path == "" then path = "/" end
  local plain = bare(path)
  if not prefix and reads and plain == "/cells" then return say(request, "200", "application/json", list) end
  local cell, why = named(headers, prefix)
  if why then return refuse(request, why) end
  local id, number = given_out(plain)
  if number then
    if not by_number[number] then return say_not_found(request) end
    if cell and cell.number ~= number then return refuse(request, differ) end
    cell = by_number[number]
  end
  cell = cell or (#cells == 1 and cells[1] or nil)
  if cell then return send(request, path .. query, cell, prefix) end
  if id then return say_not_found(request) end
  if reads and plain == "/health" then return say_health(request) end
  if plain == "/console" then return send(request, "/console/cells" .. query) end
  for _, pattern in ipairs(of_none) do
    if plain:find(pattern) then return end
  end
  refuse(request, absent)
end
