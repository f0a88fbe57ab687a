import json
data = [{"id": i, "name": "item " + str(i), "tags": ["a", "b", "c"], "size": i * 0.5, "ok": i % 2 == 0} for i in range(4000)]
text = json.dumps(data)
total = 0
for r in range(10):
    data = json.loads(text)
    for item in data:
        if item["ok"]:
            total += item["id"] + len(item["tags"])
    text = json.dumps(data)
print(total)
