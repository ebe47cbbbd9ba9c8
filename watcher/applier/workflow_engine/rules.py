# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What it means that an action comes after another one.

``action_execution_rule`` and ``dependency_rule`` are set for each strategy.
The planner may wish something for single dependencies; that counts when the
second option says ``planner``.
"""

import enum
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _
from watcher.common import reasons
from watcher.objects import action as action_objects

LOG = log.getLogger(__name__)

State = action_objects.State

#: Run every action, whatever became of its parents.
ALWAYS = 'ALWAYS'
#: Run an action only if none of its parents succeeded.
ANY = 'ANY'

#: Outcomes of a parent that make its alternatives needless (rule ANY), and
#: that its dependants may rely on.
GOOD = (State.SUCCEEDED, State.SKIPPED)
#: Outcomes that nothing can rely on.
BAD = (State.FAILED, State.CANCELLED)

#: Stands for all strategies that are not named.
OTHERS = '*'
#: Value of the option: what the planner wished.
PLANNER = 'planner'


class Need(enum.StrEnum):
    """What an action needs of one that comes before it."""

    #: Its end, whatever it is.
    ORDER = 'order'
    #: Its success; without it runs all the same, and says so.
    SHOULD_SUCCEED = 'should_succeed'
    #: Its success; does not run without it.
    MUST_SUCCEED = 'must_succeed'


OPTS = [
    cfg.DictOpt(
        'action_execution_rule',
        default={},
        help="""
Rule by which the actions of a strategy are executed, as strategy name to rule:

* ``ALWAYS``: every action runs, whatever became of the actions before it.
  This is also the rule of all strategies that are not named here.
* ``ANY``: an action is an alternative to the actions before it and is left
  out when one of them succeeded.
"""),
    cfg.DictOpt(
        'dependency_rule',
        default={},
        help="""
What an action needs of the actions before it, as strategy name to rule; the
name ``*`` stands for all strategies that are not named:

* ``order``: only that they have ended. This is the default.
* ``should_succeed``: that they succeeded. If one did not, the action runs all
  the same and its status message says so.
* ``must_succeed``: that they succeeded or were skipped. If one did not, the
  action is CANCELLED, and so is what needs it in turn.
* ``planner``: what the planner wished, else ``order``. Our planners wish that
  servers only leave a host that could be disabled, if the plan was to disable
  it, and only go to one that could be enabled and switched on; and that a
  host is only switched off when all that should leave it have left.

It has no meaning for strategies whose action_execution_rule is ``ANY``.
"""),
]


def execution_rule(rules: Mapping[str, str], strategy: str | None) -> str:
    """Return the rule of a strategy; a text nobody knows is ALWAYS."""
    rule = str(rules.get(strategy, ALWAYS)).upper()
    if rule in (ALWAYS, ANY):
        return rule
    LOG.warning('The rule %(rule)s of the strategy %(name)s is neither '
                'ALWAYS nor ANY; ALWAYS is used. Check '
                '[watcher_workflow_engines.taskflow] action_execution_rule.',
                {'rule': rule, 'name': strategy})
    return ALWAYS


def dependency_rule(rules: Mapping[str, str], strategy: str | None) -> str:
    """Return the rule of a strategy: a need, or PLANNER."""
    rule = str(rules.get(strategy, rules.get(OTHERS, Need.ORDER))).lower()
    if rule == PLANNER or rule in list(Need):
        return rule
    LOG.warning('The rule %(rule)s of the strategy %(name)s is none of '
                '%(known)s; order is used. Check '
                '[watcher_workflow_engines.taskflow] dependency_rule.',
                {'rule': rule, 'name': strategy,
                 'known': ', '.join([*Need, PLANNER])})
    return Need.ORDER


class Verdict:
    """What its parents mean for an action.

    :ivar leave_out: why it is SKIPPED, if it is
    :ivar cancel: why it is CANCELLED, if it is
    :ivar remark: what is to be told if it runs
    """

    __slots__ = ('cancel', 'leave_out', 'remark')

    def __init__(self, leave_out: str | None = None,
                 cancel: str | None = None, remark: str | None = None):
        self.leave_out = leave_out
        self.cancel = cancel
        self.remark = remark


_RUN = Verdict()


def judge(execution: str | None, dependency: str,
          wishes: Iterable[tuple[Any, str]],
          parents: Sequence[Any]) -> Verdict:
    """Judge whether an action may run after its parents.

    :param execution: the execution rule
    :param dependency: the dependency rule
    :param wishes: what the planner wished: actions of the plan, which need
        not be parents, and the need; those that have not ended do not count
    :param parents: the stored actions before it; all have ended
    """
    if execution == ANY:
        return _alternative(parents)
    if dependency != PLANNER:
        wishes = ((parent, dependency) for parent in parents)
    remark = None
    for other, need in wishes:
        if other.state not in BAD:
            continue
        if need == Need.MUST_SUCCEED:
            return Verdict(cancel=_reason(reasons.Code.PARENT_FAILED, _(
                'Action was cancelled: it needs the success of the '
                '%(type)s action %(parent)s, which is %(state)s'), other))
        if need == Need.SHOULD_SUCCEED and remark is None:
            remark = _reason(reasons.Code.RAN_DESPITE_PARENT, _(
                'Action ran although the %(type)s action %(parent)s '
                'before it is %(state)s'), other)
    return Verdict(remark=remark) if remark else _RUN


def _alternative(parents):
    for parent in parents:
        if parent.state in GOOD:
            return Verdict(leave_out=_reason(
                reasons.Code.ALTERNATIVE_TAKEN,
                _('Action was skipped automatically: it is an alternative '
                  'to action %(parent)s, which is %(state)s'), parent))
    return _RUN


def _reason(code, text, parent):
    facts = _in_words(parent)
    return reasons.Reason(text % facts, code, **facts)


def _in_words(parent):
    return {'parent': parent.uuid, 'state': parent.state,
            'type': parent.action_type}
