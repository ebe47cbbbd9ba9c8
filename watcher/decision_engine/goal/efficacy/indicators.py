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
"""The indicators that come with the service."""

import abc
import json

import jsonschema

from watcher._i18n import _

COUNT = {'type': 'integer', 'minimum': 0}
AMOUNT = {'type': 'number', 'minimum': 0}


class IndicatorSpecification(metaclass=abc.ABCMeta):
    """What one figure of a solution means and which values it may take.

    :param required: whether each solution that sets any indicator has to
        set this one.
    """

    def __init__(self, name: str | None = None,
                 description: str | None = None, unit: str | None = None,
                 required: bool = True):
        self.name = name
        self.description = description
        self.unit = unit
        self.required = required

    @property
    @abc.abstractmethod
    def schema(self) -> dict | None:
        """JSON schema of the value."""
        raise NotImplementedError

    @classmethod
    def validate(cls, solution) -> None:
        """Hold this indicator of a solution against its schema.

        :raises: jsonschema.ValidationError
        """
        indicator = cls()
        value = None
        for candidate in solution.efficacy_indicators or ():
            if candidate.name == indicator.name:
                value = candidate.value
        jsonschema.validate(value, indicator.schema,
                            cls=jsonschema.Draft4Validator)

    def to_dict(self) -> dict:
        """Return the stored form: exactly these four keys."""
        return {
            'name': self.name,
            'description': self.description,
            'unit': self.unit,
            'schema': json.dumps(self.schema) if self.schema else None,
        }

    def __str__(self):
        return str(self.to_dict())


class _Count(IndicatorSpecification):
    """A number of things."""

    schema = COUNT


class _Amount(IndicatorSpecification):
    """A measured or computed value that is never negative."""

    schema = AMOUNT


class ComputeNodesCount(_Count):
    def __init__(self):
        super().__init__(
            name='compute_nodes_count',
            description=_('Number of enabled compute nodes that were '
                          'looked at.'))


class ReleasedComputeNodesCount(_Count):
    def __init__(self):
        super().__init__(
            name='released_compute_nodes_count',
            description=_('Number of compute nodes that the plan sets '
                          'free.'))


class InstanceMigrationsCount(_Count):
    def __init__(self):
        super().__init__(
            name='instance_migrations_count',
            description=_('Number of planned instance migrations.'))


class InstancesCount(_Count):
    def __init__(self):
        super().__init__(
            name='instances_count',
            description=_('Number of instances that were looked at.'),
            required=False)


class LiveInstanceMigrateCount(_Count):
    def __init__(self):
        super().__init__(
            name='live_migrate_instance_count',
            description=_('Number of instances that could be live '
                          'migrated.'))


class PlannedLiveInstanceMigrateCount(_Count):
    def __init__(self):
        super().__init__(
            name='planned_live_migrate_instance_count',
            description=_('Number of planned live migrations.'))


class ColdInstanceMigrateCount(_Count):
    def __init__(self):
        super().__init__(
            name='cold_migrate_instance_count',
            description=_('Number of instances that could be cold '
                          'migrated.'))


class PlannedColdInstanceMigrateCount(_Count):
    def __init__(self):
        super().__init__(
            name='planned_cold_migrate_instance_count',
            description=_('Number of planned cold migrations.'))


class VolumeMigrateCount(_Count):
    def __init__(self):
        super().__init__(
            name='volume_migrate_count',
            description=_('Number of volumes that could be migrated.'))


class PlannedVolumeMigrateCount(_Count):
    def __init__(self):
        super().__init__(
            name='planned_volume_migrate_count',
            description=_('Number of planned volume migrations.'))


class VolumeUpdateCount(_Count):
    def __init__(self):
        super().__init__(
            name='volume_update_count',
            description=_('The same number as volume_migrate_count, kept '
                          'for existing consumers.'))


class PlannedVolumeUpdateCount(_Count):
    def __init__(self):
        super().__init__(
            name='planned_volume_update_count',
            description=_('The same number as planned_volume_migrate_count, '
                          'kept for existing consumers.'))


class StandardDeviationValue(_Amount):
    def __init__(self):
        super().__init__(
            name='standard_deviation_after_audit',
            description=_('Standard deviation of the load expected after '
                          'the plan.'),
            required=False)


class OriginalStandardDeviationValue(_Amount):
    def __init__(self):
        super().__init__(
            name='standard_deviation_before_audit',
            description=_('Standard deviation of the load that was found.'),
            required=False)
