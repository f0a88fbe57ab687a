# Windows programs below Wine.
SOAK_TESTS += tests/windows/windows_test.py
