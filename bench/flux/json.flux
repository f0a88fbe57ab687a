function build(n) {
    let list = [];
    for i in 0..n {
        push(list, { id: i, name: "item " ++ i, tags: ["a", "b", "c"], size: i * 0.5, ok: i % 2 == 0 });
    }
    return list;
}
function main() {
    let text = json_write(build(4000));
    let total = 0;
    for round in 0..10 {
        let data = json_parse(text);
        for item in data { if item.ok { total = total + item.id + len(item.tags); } }
        text = json_write(data);
    }
    print(total);
}
