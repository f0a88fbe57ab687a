local function quicksort(a, low, high)
  while low < high do
    local pivot = a[(low + high) // 2]
    local i, j = low, high
    while i <= j do
      while a[i] < pivot do i = i + 1 end
      while a[j] > pivot do j = j - 1 end
      if i <= j then
        local t = a[i]
        a[i] = a[j]
        a[j] = t
        i = i + 1
        j = j - 1
      end
    end
    if j - low < high - i then
      quicksort(a, low, j)
      low = i
    else
      quicksort(a, i, high)
      high = j
    end
  end
end
local n = 300000
local a, b = {}, {}
local seed = 7
for i = 1, n do
  seed = (seed * 1103515245 + 12345) % 2147483648
  a[i] = seed
  b[i] = seed
end
quicksort(a, 1, n)
table.sort(b, function(x, y) return x < y end)
local same = true
for i = 1, n do if a[i] ~= b[i] then same = false end end
print(a[1], a[n], a[1001] == b[1001], same)
