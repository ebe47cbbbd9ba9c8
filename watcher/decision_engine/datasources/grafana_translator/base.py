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
"""What a translator between Watcher and a database behind Grafana does."""

import abc
import datetime
from typing import Any

from watcher._i18n import _
from watcher.common import exception
from watcher.decision_engine.datasources import metrics


class BaseGrafanaTranslator(metaclass=abc.ABCMeta):
    """Writes one question in the language of a database, reads the answer.

    :param data: the question: ``metric``, ``db``, ``attribute``, ``query``,
        ``resource``, ``resource_type``, ``period``, ``aggregate`` and
        ``granularity``.
    """

    #: Characters that would end a text or a regular expression in a query,
    #: and what is written instead. Names of servers are chosen by users.
    ESCAPES = str.maketrans({'\\': r'\\', "'": r"\'", '"': r'\"',
                             '/': r'\/', '\n': r'\n'})

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @abc.abstractmethod
    def build_params(self) -> dict[str, str]:
        """Return the parameters of the request."""
        raise NotImplementedError

    @abc.abstractmethod
    def extract_result(self, raw: bytes | str) -> float | None:
        """Return the value from the body of an answer.

        :raises: NoSuchMetricForHost if the database knows nothing about the
            resource.
        """
        raise NotImplementedError

    def extract_series(self, raw: bytes | str
                       ) -> dict[datetime.datetime, float]:
        """Return the values of an answer by time.

        :raises: NoSuchMetricForHost
        """
        raise NotImplementedError

    def attribute_value(self) -> str:
        """Return what names the resource in the database, escaped.

        :raises: InvalidParameter
        """
        name = self._data['attribute']
        try:
            value = getattr(self._data['resource'], name)
        except AttributeError:
            raise exception.InvalidParameter(
                _('The attribute %(attribute)r, by which Grafana finds '
                  '%(metric)s, is none of a %(type)s; check [grafana_client] '
                  'attribute_map and the metric map file.') % {
                      'attribute': name, 'metric': self._data['metric'],
                      'type': self._data['resource_type']},
                parameter='attribute', parameter_type='str') from None
        return str(value).translate(self.ESCAPES)

    def validate(self) -> None:
        """Refuse a question that cannot be asked.

        :raises: InvalidParameter
        """
        for key, allowed in (('aggregate', metrics.AGGREGATES),
                             ('resource_type', metrics.RESOURCE_TYPES)):
            if self._data[key] not in allowed:
                raise exception.InvalidParameter(
                    _('The %(key)s %(value)r is unknown; possible are '
                      '%(known)s.') % {'key': key, 'value': self._data[key],
                                       'known': ', '.join(allowed)},
                    parameter=key, parameter_type='str')
        if self._data['period'] is None:
            raise exception.InvalidParameter(
                parameter='period', parameter_type='int')
