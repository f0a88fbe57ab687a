-- Lua has no JSON of its own: a reader and a writer in Lua, by its pattern matching.
local find, sub, byte, format = string.find, string.sub, string.byte, string.format
local value
local function skip(s, i) return find(s, "[^ \n\r\t]", i) end
local function str(s, i)
  local j = find(s, '"', i + 1, true)
  return sub(s, i + 1, j - 1), j + 1
end
function value(s, i)
  i = skip(s, i)
  local c = byte(s, i)
  if c == 123 then
    local t = {}
    i = skip(s, i + 1)
    if byte(s, i) == 125 then return t, i + 1 end
    while true do
      local k, v
      k, i = str(s, skip(s, i))
      i = skip(s, i)
      v, i = value(s, i + 1)
      t[k] = v
      i = skip(s, i)
      if byte(s, i) == 125 then return t, i + 1 end
      i = i + 1
    end
  elseif c == 91 then
    local t, n = {}, 0
    i = skip(s, i + 1)
    if byte(s, i) == 93 then return t, i + 1 end
    while true do
      n = n + 1
      t[n], i = value(s, i)
      i = skip(s, i)
      if byte(s, i) == 93 then return t, i + 1 end
      i = i + 1
    end
  elseif c == 34 then return str(s, i)
  elseif c == 116 then return true, i + 4
  elseif c == 102 then return false, i + 5
  end
  local a, b = find(s, "^-?[%d.eE+-]+", i)
  return tonumber(sub(s, a, b)), b + 1
end
local function write(v, out)
  local t = type(v)
  if t == "table" then
    if v[1] ~= nil then
      out[#out + 1] = "["
      for i = 1, #v do
        if i > 1 then out[#out + 1] = "," end
        write(v[i], out)
      end
      out[#out + 1] = "]"
    else
      out[#out + 1] = "{"
      local first = true
      for k, x in pairs(v) do
        if not first then out[#out + 1] = "," end
        first = false
        out[#out + 1] = '"' .. k .. '":'
        write(x, out)
      end
      out[#out + 1] = "}"
    end
  elseif t == "string" then out[#out + 1] = '"' .. v .. '"'
  else out[#out + 1] = tostring(v) end
end
local function encode(v) local out = {} write(v, out) return table.concat(out) end
local data = {}
for i = 0, 3999 do
  data[i + 1] = {id = i, name = "item " .. i, tags = {"a", "b", "c"}, size = i * 0.5, ok = i % 2 == 0}
end
local text = encode(data)
local total = 0
for r = 1, 10 do
  data = value(text, 1)
  for _, item in ipairs(data) do if item.ok then total = total + item.id + #item.tags end end
  text = encode(data)
end
print(total)
