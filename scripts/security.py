"""bandit over folders, offline. Exit 1 for a finding that nobody has answered.

ruff's S rules are bandit's by number, so a line that ruff accepts with `# noqa: S311  the reason` is accepted
here too: each finding is answered once, in its place, and a bare noqa is no answer.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bandit.core.config import BanditConfig
from bandit.core.issue import Issue
from bandit.core.manager import BanditManager

_ANSWER = re.compile(r"#\s*noqa:\s*(?P<rules>[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)(?P<reason>\s+-?\s*\w.*)?")


def answered(issue: Issue) -> bool:
    """Whether a line of the finding names its number and a reason, or shares that of the line above."""
    rule = f"S{issue.test_id[1:]}"
    lines = Path(issue.fname).read_text(encoding="utf-8").splitlines()
    for number in sorted({issue.lineno, *issue.linerange}):
        answer = _ANSWER.search(lines[number - 1])
        if answer is None or rule not in answer["rules"]:
            continue
        above = _ANSWER.search(lines[number - 2]) if number > 1 else None
        if answer["reason"] or (above is not None and rule in above["rules"] and above["reason"]):
            return True
    return False


def main(folders: list[str]) -> int:
    """Look, print what is open and return the exit status."""
    manager = BanditManager(BanditConfig(), "file")
    manager.discover_files(folders, recursive=True)
    manager.run_tests()
    open_issues = [issue for issue in manager.get_issue_list() if not answered(issue)]
    for issue in open_issues:
        print(f"{issue.fname}:{issue.lineno}: {issue.test_id} {issue.text}")
    for name, reason in manager.skipped:
        print(f"{name}: not looked at: {reason}")
    return 1 if open_issues or manager.skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
