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
"""watcher-status: is this deployment ready for the new release?"""

import os
import sys

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_upgradecheck import common_checks
from oslo_upgradecheck import upgradecheck

from watcher import conf
from watcher._i18n import _
from watcher.common import utils
from watcher.db import api as db_api
from watcher.db import migration

CONF = conf.CONF

#: The compute API that live migration with a chosen host needs.
MIN_NOVA_API_VERSION = '2.56'


class Checks(upgradecheck.UpgradeCommands):
    """The checks of ``watcher-status upgrade check``."""

    def _minimum_nova_api_version(self):
        configured = str(CONF.nova.api_version)
        if configured == 'latest':
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        parts = _version_parts(configured)
        if parts is None:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                _('[nova] api_version is "%(configured)s", which is no '
                  'version of the compute API. Use %(required)s or a later '
                  'one, or "latest".') % {
                      'configured': configured,
                      'required': MIN_NOVA_API_VERSION})
        if parts < _version_parts(MIN_NOVA_API_VERSION):
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                _('[nova] api_version is %(configured)s, but at least '
                  '%(required)s is required.') % {
                      'configured': configured,
                      'required': MIN_NOVA_API_VERSION})
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _tables_of_this_release(self):
        try:
            missing = (db_api.get_instance().missing_tables()
                       if migration.version() else [])
        except db_exc.DBError as error:
            # Elsewhere than on a node that uses it, that is nothing bad.
            return upgradecheck.Result(
                upgradecheck.Code.SUCCESS,
                _('Not checked, the database does not answer: %s')
                % utils.first_line(error))
        if missing:
            return upgradecheck.Result(
                upgradecheck.Code.WARNING,
                _('The database has no table %(tables)s. Run '
                  '"watcher-db-manage upgrade": appliers do not start '
                  'before, everything else works as in the previous '
                  'release.') % {'tables': ', '.join(missing)})
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    _upgrade_checks = (
        (_('Minimum Nova API Version'), _minimum_nova_api_version),
        (_('Policy File JSON to YAML Migration'),
         (common_checks.check_policy_json, {'conf': CONF})),
        (_('Tables of This Release'), _tables_of_this_release),
    )


def _version_parts(text):
    major, dot, minor = text.partition('.')
    if dot and major.isdecimal() and minor.isdecimal():
        return int(major), int(minor)
    return None


def main() -> int:
    """Run the checks: 0 all passed, 1 a warning, 2 a failure."""
    try:
        return upgradecheck.main(
            CONF, project='watcher', upgrade_command=Checks(),
            argv=sys.argv[1:])
    except cfg.Error as exc:
        program = os.path.basename(sys.argv[0])
        raise SystemExit(f'{program}: {utils.first_line(exc)}') from exc
