"""The fixtures of segharness.testing, for the tests of the engine and of every plugin."""

pytest_plugins = ["segharness.testing.fixture"]
