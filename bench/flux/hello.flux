function main() { print("hello"); }
