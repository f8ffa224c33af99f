"""A tab without a browser: asks a session and waits for its answers."""

import queue

from pysmorch.playground.session import Session

FASTEST = 100_000


class Tab:
    """A session whose answers are read one after the other."""

    def __init__(self):
        self.answers = queue.Queue()
        self.session = Session(self.answers.put)
        self.generation = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.session.close()
        self.session.join()

    def ask(self, do, **more):
        self.session.ask({"do": do, **more})

    def until(self, kind, **wanted):
        """The next answer of a kind in which these entries are so."""
        while True:
            answer = self.answers.get(timeout=60)
            if answer["kind"] == kind and all(answer[name] == value for name, value in wanted.items()):
                return answer

    def set(self, **settings):
        self.generation += 1
        self.ask("set", generation=self.generation, settings=settings)
        return self.until("state", generation=self.generation)

    def train(self, epochs):
        self.ask("train", epochs=epochs, pace=FASTEST)
        return self.until("state", running=False)
