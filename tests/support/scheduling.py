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
        for tests in files.values():
            for test in [test for test, done in tests.items() if done]:
                del tests[test]
        left = [test for tests in files.values() for test in tests]
        for path in [path for path, tests in files.items() if not tests]:
            del files[path]
        if not left:
            super().remove_node(node)
            return None
        died_in: str = left[0]
        if died_in in self._died_in:
            del files[self._split_scope(died_in)][died_in]
            super().remove_node(node)
            return died_in
        self._died_in.add(died_in)
        super().remove_node(node)
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"\na process died in {died_in}; it is tried once more", red=True)
        return None
