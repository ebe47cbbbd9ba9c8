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
"""Every exception of the contract has its parent, code and arguments."""

from keystoneauth1 import exceptions as ka_exceptions

from watcher.common import exception
from watcher.tests import base

# name, parent, HTTP status, arguments of the message
CONTRACT = """
ActionAlreadyExists Conflict 409 uuid
ActionDescriptionAlreadyExists Conflict 409 action_type
ActionDescriptionNotFound ResourceNotFound 404 action_id
ActionExecutionFailure WatcherException 500 action_id
ActionFilterCombinationProhibited Invalid 400
ActionNotFound ResourceNotFound 404 action
ActionPlanAlreadyExists Conflict 409 uuid
ActionPlanCancelled WatcherException 500 uuid
ActionPlanExpired Invalid 400 plan hours
ActionPlanIsOngoing Conflict 409 action_plan
ActionPlanNotFound ResourceNotFound 404 action_plan
ActionPlanReferenced Invalid 400 action_plan
ActionReferenced Invalid 400 action_plan
ActionSkipped WatcherException 500
AuditAlreadyExists Conflict 409 audit
AuditCancelled WatcherException 500 uuid
AuditIntervalNotAllowed Invalid 400 audit_type
AuditIntervalNotSpecified Invalid 400 audit_type
AuditNotFound ResourceNotFound 404 audit
AuditParameterNotAllowed Invalid 400 parameter
AuditReferenced Invalid 400 audit
AuditStartEndTimeNotAllowed Invalid 400 audit_type
AuditStateNotAllowed Invalid 400 state
AuditTemplateAlreadyExists Conflict 409 audit_template
AuditTemplateNotFound ResourceNotFound 404 audit_template
AuditTypeNotAllowed Invalid 400 audit_type
AuditTypeNotFound Invalid 400 audit_type
AuthorizationFailure WatcherException 500 client reason
BaremetalResourceNotFound WatcherException 500 name
CinderClientError WatcherException 500 reason
ClusterDataModelCollectionError WatcherException 500 cdm
ClusterStateNotDefined WatcherException 500
ClusterStateStale WatcherException 500
ComputeNodeNotFound ComputeResourceNotFound 500 name
ComputeResourceNotFound WatcherException 500 name
Conflict WatcherException 409
CronFormatIsInvalid Invalid 400 cron reason
DataModelNotFound ResourceNotFound 404 data_model_type reason
DataModelTypeNotFound ResourceNotFound 404 data_model_type
DataSourceConfigConflict UnsupportedError 500 datasource_one datasource_two
DataSourceNotAvailable WatcherException 500 datasource
DataSourceQueryFailed DataSourceNotAvailable 500 datasource where asked answer
DeleteError Invalid 400 state
EagerlyLoadedActionPlanRequired InvalidActionPlan 400 action_plan
EagerlyLoadedActionRequired InvalidActionPlan 400 action
EagerlyLoadedAuditRequired InvalidAudit 400 audit
EfficacyIndicatorAlreadyExists Conflict 409 uuid
EfficacyIndicatorNotFound ResourceNotFound 404 efficacy_indicator
GlobalEfficacyComputationError WatcherException 500 goal strategy
GoalAlreadyExists Conflict 409 uuid
GoalNotFound ResourceNotFound 404 goal
HTTPNotFound ResourceNotFound 404
IllegalArgumentException WatcherException 500
InstanceNotFound ComputeResourceNotFound 500 name
InstanceNotMapped ComputeResourceNotFound 500 uuid
Invalid WatcherException 400
InvalidActionPlan Invalid 400 action_plan
InvalidAudit Invalid 400 audit
InvalidGoal Invalid 400 goal
InvalidIdentity Invalid 400 identity
InvalidIndicatorValue WatcherException 500 name value spec_type
InvalidIntervalOrCron Invalid 400 name
InvalidName Invalid 400 name
InvalidOperator Invalid 400 operator valid_operators
InvalidParameter Invalid 400 parameter parameter_type
InvalidPoolAttributeValue Invalid 400 name attribute
InvalidStateTransition Invalid 400 object_type uuid old new
InvalidStrategy Invalid 400 strategy
InvalidUUID Invalid 400 uuid
InvalidUuidOrName Invalid 400 name
IronicNodeNotFound BaremetalResourceNotFound 500 uuid
LiveMigrationFailed WatcherException 500 name
LoadingError WatcherException 500 name
MetricCoverageTooLow WatcherException 500 facts limit
MetricNotAvailable WatcherException 500 metric
MissingParameter Invalid 400 parameter
NegativeLimitError WatcherException 500
NoAvailableStrategyForGoal WatcherException 500 goal
NoDatasourceAvailable WatcherException 500
NoSuchMetricForHost WatcherException 500 metric host
NotAcceptable WatcherException 406
NotAuthorized WatcherException 403
NotSoftDeletedStateError WatcherException 500 name id
NotificationPayloadError WatcherException 500 class_name
NovaClientError WatcherException 500 reason
ObjectNotFound WatcherException 500 name id
PatchError Invalid 400 patch reason
PolicyNotAuthorized NotAuthorized 403 action
PoolNotFound StorageResourceNotFound 500 name
ReservedWord WatcherException 500 name
RemoteTooOld WatcherException 501 version method service
ResourceNotFound ObjectNotFound 404 name id
ScoringEngineAlreadyExists Conflict 409 uuid
ScoringEngineNotFound ResourceNotFound 404 scoring_engine
ServiceAlreadyExists Conflict 409 name host
ServiceNotFound ResourceNotFound 404 service
ServiceUnavailable WatcherException 503 service reason
StartError Invalid 400 state
StateConflict Conflict 409 object_type uuid expected actual
StorageNodeNotFound StorageResourceNotFound 500 name
StorageResourceNotFound WatcherException 500 name
StrategyAlreadyExists Conflict 409 uuid
StrategyNotFound ResourceNotFound 404 strategy
UnsupportedActionType UnsupportedError 500 action_type
UnsupportedDataSource UnsupportedError 500 datasource strategy
UnsupportedError WatcherException 500
VolumeNotFound StorageResourceNotFound 500 name
VolumeNotReachedStatus StorageResourceNotFound 500 name status
VolumeTypeNotFound StorageResourceNotFound 500 name
WatcherException - 500
WildcardCharacterIsUsed WatcherException 500 resource
WorkflowExecutionException WatcherException 500 error
"""


def rows():
    for line in CONTRACT.strip().splitlines():
        name, parent, code, *arguments = line.split()
        yield name, parent, int(code), arguments


class TestContract(base.TestCase):

    def test_parent_and_code(self):
        for name, parent, code, _arguments in rows():
            cls = getattr(exception, name)
            expected = (Exception if parent == '-'
                        else getattr(exception, parent))
            self.assertIs(expected, cls.__bases__[0], name)
            self.assertEqual(code, cls.code, name)

    def test_message_is_built_from_the_arguments(self):
        self.config(fatal_exception_format_errors=True)
        for name, _parent, code, arguments in rows():
            values = {key: f'<{key}>' for key in arguments}
            error = getattr(exception, name)(**values)
            for value in values.values():
                self.assertIn(value, str(error), name)
            self.assertNotIn('%(', str(error), name)
            self.assertEqual(code, error.code)
            self.assertEqual({**values, 'code': code}, error.kwargs)


class TestWatcherException(base.TestCase):

    def test_message_wins_over_template(self):
        error = exception.GoalNotFound('all is lost', goal='dummy')
        self.assertEqual('all is lost', str(error))
        self.assertEqual('dummy', error.kwargs['goal'])

    def test_code_can_be_given(self):
        self.assertEqual(418, exception.Invalid(code=418).code)
        self.assertEqual(400, exception.Invalid.code)

    def test_invalid_is_a_value_error(self):
        self.assertIsInstance(exception.InvalidUUID(uuid='x'), ValueError)

    def test_missing_argument_leaves_the_template(self):
        error = exception.GoalNotFound()
        self.assertIn('%(goal)s', str(error))
        self.assertIn('GoalNotFound', self.logger.output)

    def test_missing_argument_raises_when_asked_for(self):
        self.config(fatal_exception_format_errors=True)
        self.assertRaises(KeyError, exception.GoalNotFound)

    def test_values_of_arguments_are_not_logged(self):
        exception.AuthorizationFailure(client='nova', secret='hunter2')
        self.assertNotIn('hunter2', self.logger.output)

    def test_texts_that_clients_match(self):
        self.assertTrue(str(exception.DeleteError(state='ONGOING'))
                        .startswith("Couldn't delete when state is"))


class TestWrapKeystoneException(base.TestCase):

    def test_client_failure(self):

        class Nova:
            @exception.wrap_keystone_exception
            def connect(self):
                raise ka_exceptions.ConnectFailure('no route')

        error = self.assertRaises(exception.AuthorizationFailure,
                                  Nova().connect)
        self.assertIn('Nova', str(error))
        self.assertIn('no route', str(error))

    def test_other_errors_pass(self):

        @exception.wrap_keystone_exception
        def broken():
            raise KeyError('x')

        self.assertRaises(KeyError, broken)

    def test_result_passes(self):
        self.assertEqual(
            3, exception.wrap_keystone_exception(lambda value: value)(3))
