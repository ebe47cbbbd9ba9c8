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

from watcher import conf
from watcher import objects
from watcher._i18n import _
from watcher.applier import persistence
from watcher.applier import threads
from watcher.applier.workflow_engine import admission
from watcher.applier.workflow_engine import base
from watcher.applier.workflow_engine import graph
from watcher.applier.workflow_engine import rehearsal
from watcher.applier.workflow_engine import rules
from watcher.common import exception

CONF = conf.CONF


class DefaultWorkFlowEngine(base.BaseWorkFlowEngine):
    """Runs each action as soon as its parents have finished.

    At most ``max_workers`` actions run at the same time. Actions that are
    not connected have no order among themselves.
    """

    _gate: admission.Admission | None = None

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
            *rules.OPTS,
        ]

    def execute(self, actions):
        """Run the actions of one plan; see the base class."""
        if not actions:
            return
        self.plan_id = actions[0].action_plan_id
        self._find_rules()
        tasks = self._make_tasks(actions)
        if CONF.watcher_applier.check_before_start and rehearsal.is_new(
                actions):
            rehearsal.check(self, actions, self.config.max_workers)
        pool = threads.DaemonPool(self.config.max_workers,
                                  name=f'plan-{self.plan_id}-action')
        self._gate = admission.Admission(self)
        try:
            self.look_at_others()
            tasks.run(pool, self._gate)
        except Exception as error:
            self._raise_reason(error)
        finally:
            pool.shutdown(wait=False)
        self.raise_halted()

    def supervise(self, task):
        """Watch over the deadline of an action."""
        if self._gate is not None:
            self._gate.supervise(task, task.course.seconds_left())

    def _raise_reason(self, error):
        self.raise_halted()
        if isinstance(error, exception.WorkflowExecutionException):
            raise error
        raise exception.WorkflowExecutionException(
            error=base.failure_reason(error)) from error

    def _find_rules(self):
        execution = self.config.action_execution_rule
        dependency = self.config.dependency_rule
        name = None
        if execution or dependency:
            plan = persistence.insist(
                lambda: objects.ActionPlan.get_by_id(
                    self.context, self.plan_id, eager=True),
                self.stopping, f'reading action plan {self.plan_id}')
            name = plan.strategy.name if plan.strategy else None
        self.execution_rule = rules.execution_rule(execution, name)
        self.dependency_rule = rules.dependency_rule(dependency, name)

    def _make_tasks(self, actions):
        ids = [action.id for action in actions]
        known = persistence.insist(
            lambda: objects.ActionRun.of_actions(ids), self.stopping,
            f'reading earlier runs of action plan {self.plan_id}')
        tasks = {}
        for action in actions:
            name = f'action_type:{action.action_type} uuid:{action.uuid}'
            tasks[action.uuid] = TaskFlowActionContainer(
                name, action, self, run=known.get(action.id))
        for task in tasks.values():
            task.parents = self._parents_of(task, tasks)
            task.wishes = [
                (tasks[uuid].db_action, need)
                for uuid, need in task.course.needs.items() if uuid in tasks]
        # What runs already is looked after first, whatever it came after.
        order = sorted(tasks.values(),
                       key=lambda task: not task.is_in_flight)
        try:
            return graph.TaskGraph({
                task: () if task.is_in_flight else task.parents
                for task in order})
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
        self.announce_start()

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
