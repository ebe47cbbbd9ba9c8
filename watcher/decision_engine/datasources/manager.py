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
"""Chooses the data source that offers the metrics a strategy needs."""

from collections.abc import Sequence

from watcher import conf
from watcher._i18n import _
from watcher.common import exception

CONF = conf.CONF


class DataSourceManager:
    """Knows the data sources in their order of preference.

    :param config: anything with a list ``datasources``; without it
        ``[watcher_datasources] datasources`` counts.
    :param osc: holder of OpenStack clients.
    """

    def __init__(self, config=None, osc=None):
        self.config = config or CONF.watcher_datasources
        self.osc = osc
        self.datasources = list(self.config.datasources or [])
        if {'prometheus', 'aetos'} <= set(self.datasources):
            raise exception.DataSourceConfigConflict(
                datasource_one='prometheus', datasource_two='aetos')

    def get_backend(self, metrics: Sequence[str]):
        """Return the first data source that offers all these metrics.

        :raises: NoDatasourceAvailable if no data source is configured,
            MetricNotAvailable if none offers the metrics. This release
            cannot read metrics from any source yet.
        """
        if not self.datasources:
            raise exception.NoDatasourceAvailable()
        raise exception.MetricNotAvailable(
            _('None of the configured data sources (%(sources)s) offers the '
              'metrics %(metrics)s: this release reads no metrics yet.') % {
                  'sources': ', '.join(self.datasources),
                  'metrics': ', '.join(metrics)},
            metric=', '.join(metrics))
