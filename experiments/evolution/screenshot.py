"""evolution.png: a picture of the page that run.py made."""

from experiments.evolution.run import HERE, PAGE
from experiments.screenshots import Screenshot, take_screenshots

if __name__ == "__main__":
    shot = Screenshot(PAGE, "light", 800, 1250, "#700")
    command = "make experiment NAME=evolution"
    take_screenshots({HERE / "evolution.png": shot}, command=command)
