"""What both files of tests need beside the server."""

import unittest


class Recorder:
    """Keeps which operations were called."""

    def __init__(self, api, called):
        self.api, self.called = api, called

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(self.api, name)


def main():
    """Runs the tests of the calling file, and counts them as cargo does."""
    result = unittest.main(exit=False, verbosity=2).result
    broken = len(result.failures) + len(result.errors)
    passed = max(result.testsRun - broken - len(result.skipped), 0)
    print(f"test result: {'ok' if result.wasSuccessful() else 'FAILED'}. "
          f"{passed} passed; {broken} failed; {len(result.skipped)} ignored", flush=True)
    raise SystemExit(not result.wasSuccessful())
