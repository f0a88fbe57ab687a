m = {}
seed = 42
hits = 0
for i in range(1000000):
    seed = (seed * 1103515245 + 12345) % 2147483648
    key = "k" + str(seed % 50000)
    old = m.get(key)
    if old is not None:
        hits += 1
        m[key] = old + 1
    else:
        m[key] = 1
    if i % 3 == 0:
        m.pop(key, None)
numbers = {}
for i in range(500000): numbers[i * 7 % 100003] = i
print(hits, len(m), len(numbers))
