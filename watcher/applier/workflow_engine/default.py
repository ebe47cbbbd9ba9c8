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
"""The workflow engine that is supplied: tasks in parallel threads."""

from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_log import log

from watcher import objects
from watcher._i18n import _
from watcher.applier import threads
from watcher.applier.workflow_engine import base
from watcher.applier.workflow_engine import graph
from watcher.common import exception
from watcher.notifications import action as action_notifications

LOG = log.getLogger(__name__)


class DefaultWorkFlowEngine(base.BaseWorkFlowEngine):
    """Runs each action as soon as its parents have finished.

    At most ``max_workers`` actions run at the same time. Actions that are
    not connected have no order among themselves.
    """

    @classmethod
    def get_config_opts(cls):
        return [
            cfg.IntOpt(
                'max_workers',
                default=processutils.get_worker_count(),
                sample_default='<NUM_PROCESSOR>',
                min=1,
                required=True,
                help="""
Number of actions of one action plan that may run at the same time. Each
occupies a thread of the applier until it has finished.
"""),
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
        ]

    def execute(self, actions):
        """Run the actions of one plan; see the base class."""
        if not actions:
            return
        self.execution_rule = self._find_rule(actions[0])
        tasks = self._make_tasks(actions)
        pool = threads.DaemonPool(
            self.config.max_workers,
            name=f'plan-{actions[0].action_plan_id}-action')
        try:
            tasks.run(pool)
        except Exception as error:
            self._raise_reason(error)
        finally:
            pool.shutdown(wait=False)
        self.raise_halted()

    def _raise_reason(self, error):
        self.raise_halted()
        if isinstance(error, exception.WorkflowExecutionException):
            raise error
        raise exception.WorkflowExecutionException(
            error=base.failure_reason(error)) from error

    def _find_rule(self, action):
        rules = self.config.action_execution_rule
        if not rules:
            return base.ALWAYS
        plan = objects.ActionPlan.get_by_id(
            self.context, action.action_plan_id, eager=True)
        name = plan.strategy.name if plan.strategy else None
        rule = str(rules.get(name, base.ALWAYS)).upper()
        if rule not in (base.ALWAYS, base.ANY):
            LOG.warning('The rule %(rule)s of the strategy %(name)s is '
                        'neither ALWAYS nor ANY; ALWAYS is used. Check '
                        '[watcher_workflow_engines.taskflow] '
                        'action_execution_rule.',
                        {'rule': rule, 'name': name})
        return rule

    def _make_tasks(self, actions):
        tasks = {}
        for action in actions:
            name = f'action_type:{action.action_type} uuid:{action.uuid}'
            tasks[action.uuid] = TaskFlowActionContainer(name, action, self)
        for task in tasks.values():
            task.parents = self._parents_of(task, tasks)
        try:
            return graph.TaskGraph(
                {task: task.parents for task in tasks.values()})
        except graph.CycleError as error:
            raise exception.WorkflowExecutionException(error=_(
                'the parents of the actions form a cycle')) from error

    @staticmethod
    def _parents_of(task, tasks):
        parents = list(dict.fromkeys(task.db_action.parents or ()))
        unknown = [uuid for uuid in parents if uuid not in tasks]
        if unknown:
            raise exception.WorkflowExecutionException(error=_(
                'action %(uuid)s waits for %(parent)s, which is no action of '
                'this plan') % {'uuid': task.db_action.uuid,
                                'parent': unknown[0]})
        return tuple(tasks[uuid] for uuid in parents)


class TaskFlowActionContainer(base.BaseTaskFlowActionContainer):
    """An action that is run through the hooks of its plug-in."""

    def do_pre_execute(self):
        """Check the pre-condition and announce the start."""
        self.action.pre_condition()
        action_notifications.send_execution_notification(
            self.engine.context, self.db_action, phase='start')

    def do_execute(self, *args, **kwargs):
        """Run the plug-in."""
        return self.action.execute()

    def do_post_execute(self):
        """Check the post-condition."""
        self.action.post_condition()

    def do_revert(self):
        """Let the plug-in undo what it did."""
        return self.action.revert()

    def do_abort(self, *args, **kwargs):
        """Let the plug-in stop what it does."""
        return self.action.abort()
