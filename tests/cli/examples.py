"""Files that tests of the command line write, and options that make trainings quick."""

from pysmorch.training.run import Run

QUICK = ["--preset", "fast", "--hidden", "16", "--epochs", "15", "--no-baselines"]


def write_csv(path="houses.csv", rows=120, gaps=True, labels=("cheap", "dear")):
    lines = ["size,town,age,price"]
    for i in range(rows):
        size, town = 20 + (i * 37) % 90, ["Ulm", "Bath", "Nice"][i % 3]
        age = "?" if gaps and i % 9 == 0 else (i * 7) % 50
        lines.append(f"{size},{town},{age},{labels[int(size + 20 * (town == 'Nice') > 70)]}")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def spoil(path, content):
    with open(path, "wb" if isinstance(content, bytes) else "w") as file:
        file.write(content)


def write_days(path="days.csv"):
    """120 rows of 12 shops on 60 days, two a day, in no order; the label of a shop is always the same."""
    lines = ["size,shop,day,rank,price"]
    for i in range(120):
        day = (i * 37) % 120 // 2
        shop = (i * 7) % 12
        lines.append(
            f"{i % 9},shop {shop},2024-{1 + day // 28:02}-{1 + day % 28:02},{day},{('cheap', 'dear')[shop % 2]}"
        )
    spoil(path, "\n".join(lines) + "\n")


def interrupt_after(monkeypatch, epochs):
    """Let Ctrl-C be pressed in the epoch after so many."""
    run_epoch, done = Run._run_epoch, []

    def run(*arguments):
        done.append(1)
        if len(done) > epochs:
            raise KeyboardInterrupt
        return run_epoch(*arguments)

    monkeypatch.setattr(Run, "_run_epoch", run)
