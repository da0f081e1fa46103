"""What a person watching sees: steps, marks and colours on a terminal, plain text in a pipe."""

import sys
import time

COLOUR = sys.stdout.isatty()
START = time.monotonic()


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def bold(text):
    return paint(text, "1")


def green(text):
    return paint(text, "32")


def red(text):
    return paint(text, "31;1")


def dim(text):
    return paint(text, "2")


def step(text):
    print(f"{dim(f'{time.monotonic() - START:6.1f}s')} {bold(text)}", flush=True)


def detail(text):
    print(f"        {text}", flush=True)


class Checks:
    """Counts what was expected and what was found; the run's exit status hangs on it."""

    def __init__(self):
        self.passed = 0
        self.failed = []

    def expect(self, ok, what):
        print(f"        {green('ok  ') if ok else red('FAIL')} {what}", flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed.append(what)
        return ok
