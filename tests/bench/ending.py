# SPDX-License-Identifier: MIT
"""The end before its time, by a signal: an exception, so that what was started is ended on the way out."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    def __init__(self, number):
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.status = 128 + number


def raise_ended(number, _frame):
    # Cleaning up takes some seconds, and a second Ctrl-C would leave it half done.
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise Ended(number)


def end_on_signals():
    """Those that came ignored, as from nohup, stay so."""
    for one in SIGNALS:
        if signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, raise_ended)
