local total = 0
for round = 1, 20 do
  local t = {}
  for i = 0, 29999 do
    t[#t + 1] = tostring(i)
    t[#t + 1] = ","
  end
  local s = table.concat(t)
  local n = 1
  local parts = {}
  for p in s:gmatch("([^,]*),") do parts[#parts + 1] = p end
  parts[#parts + 1] = ""
  total = total + #parts + #s
end
print(total)
