total = 0
for r in range(20):
    s = ""
    for i in range(30000):
        s = s + str(i) + ","
    parts = s.split(",")
    total += len(parts) + len(s)
print(total)
