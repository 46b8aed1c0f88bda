from meshkit.run import run
from tickets.app import build
from tickets.settings import Settings

if __name__ == "__main__":
    run("tickets", Settings, build)
