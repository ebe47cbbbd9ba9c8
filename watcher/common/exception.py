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
"""Every error that Watcher raises on purpose.

A class carries the HTTP status the REST API answers with (``code``) and a
template (``msg_fmt``) that is filled with the keyword arguments of the
constructor. The classes of this module may cross the RPC bus.
"""

import functools

from keystoneauth1 import exceptions as ka_exceptions
from oslo_config import cfg
from oslo_log import log

from watcher._i18n import _

LOG = log.getLogger(__name__)
CONF = cfg.CONF


class WatcherException(Exception):
    """Base of all errors of Watcher.

    :param message: the whole text; wins over the template.
    :param kwargs: values for the template, kept in ``kwargs`` together with
        the HTTP status under ``code``.
    """

    msg_fmt = _('An unknown error occurred.')
    code = 500

    def __init__(self, message=None, **kwargs):
        self.kwargs = kwargs
        self.kwargs.setdefault('code', self.code)
        self.code = self.kwargs['code']
        super().__init__(message or self._render())

    def _render(self):
        try:
            return self.msg_fmt % self.kwargs
        except (KeyError, TypeError, ValueError):
            LOG.exception(
                'The message of %(name)s cannot be built from %(kwargs)s',
                {'name': type(self).__name__,
                 'kwargs': sorted(self.kwargs)})
            if CONF.get('fatal_exception_format_errors', False):
                raise
            return self.msg_fmt

    def format_message(self):
        """Return the text without any trace that RPC may have added."""
        return str(self)


class UnsupportedError(WatcherException):
    msg_fmt = _('This operation is not supported.')


class NotAuthorized(WatcherException):
    msg_fmt = _('You are not allowed to do this.')
    code = 403


class PolicyNotAuthorized(NotAuthorized):
    msg_fmt = _("Policy doesn't allow %(action)s to be performed.")


class NotAcceptable(WatcherException):
    msg_fmt = _('The request cannot be answered in an acceptable form.')
    code = 406


class Invalid(WatcherException, ValueError):
    msg_fmt = _('The given parameters are not acceptable.')
    code = 400


class Conflict(WatcherException):
    msg_fmt = _('The request conflicts with the current state.')
    code = 409


class ObjectNotFound(WatcherException):
    msg_fmt = _('The %(name)s %(id)s could not be found.')


class ResourceNotFound(ObjectNotFound):
    msg_fmt = _('The %(name)s resource %(id)s could not be found.')
    code = 404


class HTTPNotFound(ResourceNotFound):
    msg_fmt = _('Nothing is found at this URL.')


class RemoteTooOld(WatcherException):
    """Another part of Watcher is of a release that cannot do this yet."""

    msg_fmt = _('This needs version %(version)s of the RPC method '
                '%(method)s, but a %(service)s of an older release '
                'answered. Try again when all of them are upgraded, or with '
                'an older version of the API.')
    code = 501


class ServiceUnavailable(WatcherException):
    """Another part of Watcher cannot be reached at the moment."""

    msg_fmt = _('The service %(service)s is not available: %(reason)s')
    code = 503


class DatabaseNotUpgraded(WatcherException):
    """The database lacks a table that came with this release."""

    msg_fmt = _('The database has no table %(table)s. '
                'Run "watcher-db-manage upgrade".')
    code = 503


# State changes ------------------------------------------------------------

class StateConflict(Conflict):
    """Somebody else changed the state first (lost compare-and-swap)."""

    msg_fmt = _('The state of %(object_type)s %(uuid)s was expected to be '
                '%(expected)s but is %(actual)s.')


class NoOrphan(StateConflict):
    """A process of that host name is back and goes on with what it had."""

    msg_fmt = _('What belongs to %(host)s is left to it: it is at work '
                'again.')


class LeaseLost(StateConflict):
    """This process may not act any more: another one took its place."""

    msg_fmt = _('The lease %(name)s is expired or was taken by another '
                'process; nothing is written under it any more.')


class InvalidStateTransition(Invalid):
    msg_fmt = _('The state of %(object_type)s %(uuid)s cannot change from '
                '%(old)s to %(new)s.')


# Parameters ---------------------------------------------------------------

class InvalidParameter(Invalid):
    msg_fmt = _('%(parameter)s has to be of type %(parameter_type)s.')


class MissingParameter(Invalid):
    msg_fmt = _('%(parameter)s is required but missing. '
                'Check the configuration.')


class InvalidIdentity(Invalid):
    msg_fmt = _('Expected a UUID or an integer but received %(identity)s.')


class InvalidOperator(Invalid):
    msg_fmt = _('The filter operator %(operator)s is not valid. '
                'Valid operators: %(valid_operators)s.')


class InvalidGoal(Invalid):
    msg_fmt = _('Goal %(goal)s is invalid.')


class InvalidStrategy(Invalid):
    msg_fmt = _('Strategy %(strategy)s is invalid.')


class InvalidAudit(Invalid):
    msg_fmt = _('Audit %(audit)s is invalid.')


class EagerlyLoadedAuditRequired(InvalidAudit):
    msg_fmt = _('Audit %(audit)s has to be loaded with its relations.')


class InvalidActionPlan(Invalid):
    msg_fmt = _('Action plan %(action_plan)s is invalid.')


class EagerlyLoadedActionPlanRequired(InvalidActionPlan):
    msg_fmt = _('Action plan %(action_plan)s has to be loaded with its '
                'relations.')


class EagerlyLoadedActionRequired(InvalidActionPlan):
    msg_fmt = _('Action %(action)s has to be loaded with its relations.')


class InvalidUUID(Invalid):
    msg_fmt = _('Expected a UUID but received %(uuid)s.')


class InvalidName(Invalid):
    msg_fmt = _('Expected a logical name but received %(name)s.')


class InvalidUuidOrName(Invalid):
    msg_fmt = _('Expected a logical name or a UUID but received %(name)s.')


class InvalidIntervalOrCron(Invalid):
    msg_fmt = _('Expected a number of seconds or a cron expression but '
                'received %(name)s.')


class CronFormatIsInvalid(Invalid):
    """A cron expression cannot be read.

    The value goes into ``cron``; ``message`` is the whole text.
    """

    msg_fmt = _('The cron expression %(cron)s is not valid: %(reason)s')


class PatchError(Invalid):
    msg_fmt = _("Couldn't apply patch '%(patch)s'. Reason: %(reason)s")


class DeleteError(Invalid):
    msg_fmt = _("Couldn't delete when state is '%(state)s'.")


class StartError(Invalid):
    msg_fmt = _("Couldn't start when state is '%(state)s'.")


class ActionPlanExpired(Invalid):
    msg_fmt = _('The action plan %(plan)s is older than %(hours)s hours and '
                'is not started any more: too much may have changed. Have '
                'its audit make a new one.')


class RepairRefused(Conflict):
    """There can be no plan that undoes or repeats another one."""

    msg_fmt = _('There is no %(kind)s of the action plan %(plan)s: '
                '%(reason)s.')


class NotPausable(Conflict):
    msg_fmt = _('The action plan %(plan)s is %(state)s: only plans that are '
                '%(allowed)s can be paused and resumed.')


class InvalidPoolAttributeValue(Invalid):
    msg_fmt = _('The attribute %(attribute)s of pool %(name)s is not an '
                'integer.')


class IllegalArgumentException(WatcherException):
    msg_fmt = _('An argument is not acceptable.')


class WildcardCharacterIsUsed(WatcherException):
    msg_fmt = _("'*' cannot be combined with other ids or names of "
                "%(resource)s.")


class ReservedWord(WatcherException):
    msg_fmt = _("The identifier '%(name)s' is a reserved word.")


# Goals and strategies -----------------------------------------------------

class GoalNotFound(ResourceNotFound):
    msg_fmt = _('Goal %(goal)s could not be found.')


class GoalAlreadyExists(Conflict):
    msg_fmt = _('A goal with UUID %(uuid)s already exists.')


class StrategyNotFound(ResourceNotFound):
    msg_fmt = _('Strategy %(strategy)s could not be found.')


class StrategyAlreadyExists(Conflict):
    msg_fmt = _('A strategy with UUID %(uuid)s already exists.')


class NoAvailableStrategyForGoal(WatcherException):
    msg_fmt = _("No strategy is available for the goal '%(goal)s'.")


class InvalidIndicatorValue(WatcherException):
    msg_fmt = _("The efficacy indicator '%(name)s' does not take the value "
                "'%(value)s'. Expected: %(spec_type)s.")


class GlobalEfficacyComputationError(WatcherException):
    msg_fmt = _("The global efficacy of the goal '%(goal)s' could not be "
                "computed with the strategy '%(strategy)s'.")


# Audit templates and audits -----------------------------------------------

class AuditTemplateNotFound(ResourceNotFound):
    msg_fmt = _('Audit template %(audit_template)s could not be found.')


class AuditTemplateAlreadyExists(Conflict):
    msg_fmt = _('An audit template with UUID or name %(audit_template)s '
                'already exists.')


class AuditTypeNotFound(Invalid):
    msg_fmt = _('Audit type %(audit_type)s could not be found. '
                'Known types: ONESHOT, CONTINUOUS, EVENT.')


class AuditTypeNotAllowed(Invalid):
    msg_fmt = _('Audit type %(audit_type)s is not allowed here.')


class AuditStateNotAllowed(Invalid):
    msg_fmt = _('Audit state %(state)s is not allowed here.')


class AuditParameterNotAllowed(Invalid):
    msg_fmt = _('Audit parameter %(parameter)s is not allowed.')


class AuditNotFound(ResourceNotFound):
    msg_fmt = _('Audit %(audit)s could not be found.')


class AuditAlreadyExists(Conflict):
    msg_fmt = _('An audit with UUID or name %(audit)s already exists.')


class AuditIntervalNotSpecified(Invalid):
    msg_fmt = _('An audit of type %(audit_type)s needs an interval.')


class AuditIntervalNotAllowed(Invalid):
    msg_fmt = _('An audit of type %(audit_type)s must not have an interval.')


class AuditStartEndTimeNotAllowed(Invalid):
    msg_fmt = _('An audit of type %(audit_type)s must not have a start or '
                'end time.')


class AuditReferenced(Invalid):
    msg_fmt = _('Audit %(audit)s is still referenced by one or several '
                'action plans.')


class AuditCancelled(WatcherException):
    """Control flow: the audit was cancelled while it ran."""

    msg_fmt = _('The audit %(uuid)s was cancelled.')


# Action plans and actions -------------------------------------------------

class ActionPlanNotFound(ResourceNotFound):
    msg_fmt = _('Action plan %(action_plan)s could not be found.')


class ActionPlanAlreadyExists(Conflict):
    msg_fmt = _('An action plan with UUID %(uuid)s already exists.')


class ActionPlanReferenced(Invalid):
    msg_fmt = _('Action plan %(action_plan)s is still referenced by one or '
                'several actions.')


class ActionPlanCancelled(WatcherException):
    """Control flow: the action plan was cancelled while it ran."""

    msg_fmt = _('The action plan %(uuid)s was cancelled.')


class ActionPlanIsOngoing(Conflict):
    msg_fmt = _('Action plan %(action_plan)s is being executed.')


class ActionNotFound(ResourceNotFound):
    msg_fmt = _('Action %(action)s could not be found.')


class ActionAlreadyExists(Conflict):
    msg_fmt = _('An action with UUID %(uuid)s already exists.')


class ActionReferenced(Invalid):
    msg_fmt = _('Action plan %(action_plan)s is still referenced by one or '
                'several goals.')


class ActionFilterCombinationProhibited(Invalid):
    msg_fmt = _('Actions can be filtered by audit or by action plan, not by '
                'both.')


class ActionSkipped(WatcherException):
    """Control flow: the action decided that it is not needed."""

    msg_fmt = _('The action was skipped.')


class ActionExecutionFailure(WatcherException):
    msg_fmt = _('The action %(action_id)s execution failed.')


class WaitInterrupted(WatcherException):
    """Control flow: the service stops, so nobody waits for this any more.

    What was asked of the cloud goes on there.
    """

    msg_fmt = _('The service is being stopped; it no longer waits for '
                '%(what)s.')


class UnsupportedActionType(UnsupportedError):
    msg_fmt = _('The action type %(action_type)s is not supported.')


class WorkflowExecutionException(WatcherException):
    msg_fmt = _('The workflow engine failed: %(error)s')


class ActionDescriptionNotFound(ResourceNotFound):
    msg_fmt = _('The action description %(action_id)s could not be found.')


class ActionDescriptionAlreadyExists(Conflict):
    msg_fmt = _('A description of the action type %(action_type)s already '
                'exists.')


# Other records ------------------------------------------------------------

class EfficacyIndicatorNotFound(ResourceNotFound):
    msg_fmt = _('Efficacy indicator %(efficacy_indicator)s could not be '
                'found.')


class EfficacyIndicatorAlreadyExists(Conflict):
    msg_fmt = _('An efficacy indicator with UUID %(uuid)s already exists.')


class ScoringEngineNotFound(ResourceNotFound):
    msg_fmt = _('Scoring engine %(scoring_engine)s could not be found.')


class ScoringEngineAlreadyExists(Conflict):
    msg_fmt = _('A scoring engine with UUID %(uuid)s already exists.')


class ServiceNotFound(ResourceNotFound):
    msg_fmt = _('Service %(service)s could not be found.')


class ServiceAlreadyExists(Conflict):
    msg_fmt = _('A service %(name)s already exists on host %(host)s.')


class NotSoftDeletedStateError(WatcherException):
    msg_fmt = _('The %(name)s resource %(id)s is not soft deleted.')


class NegativeLimitError(WatcherException):
    msg_fmt = _('The limit must not be negative.')


class NotificationPayloadError(WatcherException):
    msg_fmt = _('The payload %(class_name)s was not filled before sending.')


class LoadingError(WatcherException):
    msg_fmt = _("The plug-in '%(name)s' could not be loaded.")


# Data sources and metrics -------------------------------------------------

class UnsupportedDataSource(UnsupportedError):
    msg_fmt = _('The data source %(datasource)s is not supported by the '
                'strategy %(strategy)s.')


class DataSourceConfigConflict(UnsupportedError):
    msg_fmt = _('The data sources %(datasource_one)s and %(datasource_two)s '
                'exclude each other.')


class DataSourceNotAvailable(WatcherException):
    msg_fmt = _('The data source %(datasource)s is not available.')


class DataSourceQueryFailed(DataSourceNotAvailable):
    """A data source gave no answer; this is not the answer "no value".

    Says what was asked, where, and what came back.
    """

    msg_fmt = _('%(datasource)s at %(where)s did not answer %(asked)s: '
                '%(answer)s')


class MetricCoverageTooLow(WatcherException):
    msg_fmt = _('Too few values to decide on: %(facts)s. Required by '
                '[watcher_datasources] min_coverage: %(limit)s %%.')


class MetricNotAvailable(WatcherException):
    msg_fmt = _('The metric %(metric)s is not available.')


class NoDatasourceAvailable(WatcherException):
    msg_fmt = _('No data source is available. '
                'Check [watcher_datasources] datasources.')


class NoSuchMetricForHost(WatcherException):
    msg_fmt = _('There is no metric %(metric)s for the host %(host)s.')


# Cluster data model -------------------------------------------------------

class DataModelTypeNotFound(ResourceNotFound):
    msg_fmt = _('The data model type %(data_model_type)s could not be '
                'found.')


class DataModelNotFound(ResourceNotFound):
    msg_fmt = _('There is no %(data_model_type)s model: %(reason)s')


class ClusterStateStale(WatcherException):
    msg_fmt = _('The state of the cluster is out of date.')


class ClusterStateNotDefined(WatcherException):
    msg_fmt = _('The state of the cluster is not known.')


class ClusterDataModelCollectionError(WatcherException):
    msg_fmt = _("The cluster data model '%(cdm)s' could not be built.")


class ComputeResourceNotFound(WatcherException):
    msg_fmt = _('The compute resource %(name)s could not be found.')


class InstanceNotFound(ComputeResourceNotFound):
    msg_fmt = _('The instance %(name)s could not be found.')


class InstanceNotMapped(ComputeResourceNotFound):
    msg_fmt = _('The instance %(uuid)s is on no compute node of the model.')


class ComputeNodeNotFound(ComputeResourceNotFound):
    msg_fmt = _('The compute node %(name)s could not be found.')


class StorageResourceNotFound(WatcherException):
    msg_fmt = _('The storage resource %(name)s could not be found.')


class StorageNodeNotFound(StorageResourceNotFound):
    msg_fmt = _('The storage node %(name)s could not be found.')


class PoolNotFound(StorageResourceNotFound):
    msg_fmt = _('The pool %(name)s could not be found.')


class VolumeNotFound(StorageResourceNotFound):
    msg_fmt = _('The volume %(name)s could not be found.')


class VolumeTypeNotFound(StorageResourceNotFound):
    msg_fmt = _('The volume type %(name)s could not be found.')


class VolumeNotReachedStatus(StorageResourceNotFound):
    msg_fmt = _('The volume %(name)s did not reach the status %(status)s.')


class BaremetalResourceNotFound(WatcherException):
    msg_fmt = _('The bare metal resource %(name)s could not be found.')


class IronicNodeNotFound(BaremetalResourceNotFound):
    msg_fmt = _('The ironic node %(uuid)s could not be found.')


# Clients of the cloud -----------------------------------------------------

class AuthorizationFailure(WatcherException):
    msg_fmt = _('%(client)s connection failed: %(reason)s')


class LiveMigrationFailed(WatcherException):
    msg_fmt = _('The live migration and its abort both failed on the '
                'instance %(name)s.')


class NovaClientError(WatcherException):
    msg_fmt = _('Nova client error: %(reason)s')


class PlacementClientError(WatcherException):
    msg_fmt = _('Placement client error: %(reason)s')


class CinderClientError(WatcherException):
    msg_fmt = _('Cinder client error: %(reason)s')


class IronicClientError(WatcherException):
    msg_fmt = _('Ironic client error: %(reason)s')


def wrap_keystone_exception(func):
    """Turn failures of the Keystone client into AuthorizationFailure."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        try:
            return func(*args, **kwargs)
        except ka_exceptions.ClientException as exc:
            client = type(args[0]).__name__ if args else func.__name__
            raise AuthorizationFailure(client=client, reason=exc) from exc

    return wrapped
