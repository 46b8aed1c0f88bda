"""What can keep the mesh from running, each said in one sentence that names the mend."""


class CannotStart(Exception):
    """The mesh, or a part of it, cannot start; the text is one sentence for the person at the terminal."""


class PartDied(CannotStart):
    """A process ended before it was ready; the text names the log that says why."""
