"""Files of tests for several processes, of which one may die."""

from __future__ import annotations

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling
from xdist.workermanage import WorkerController

__all__ = ["Files"]


class Files(LoadFileScheduling):  # type: ignore[misc]  # xdist comes without types
    """xdist's ``loadfile``; the test in which a process dies is tried once more, which is said.

    A process that dies a second time in the same test has failed it. Test processes of some GB,
    with several native libraries in them, have died without a word once in some runs, in tests
    that end nothing native; none did so twice. xdist itself would give finished files to the new
    process and wait for them forever.
    """

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        self._died_in: set[str] = set()

    def schedule(self) -> None:
        """Give out work; twice, as a process runs its first test once it knows of a second."""
        super().schedule()
        if self.collection:
            super().schedule()

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a process out; what it has not done goes to others.

        Returns:
            The test that it failed by its death; None where it ended as it should, or the test is
            tried once more.
        """
        files = self.assigned_work[node]
        left = [test for tests in files.values() for test, done in tests.items() if not done]
        died_in = left[0] if left else None
        failed = died_in in self._died_in
        for path, tests in list(files.items()):
            files[path] = {t: False for t in tests if t in left and not (failed and t == died_in)}
            if not files[path]:
                del files[path]
        super().remove_node(node)
        if died_in is None or failed:
            return died_in
        self._died_in.add(died_in)
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"\na process died in {died_in}; it is tried once more", red=True)
        return None
