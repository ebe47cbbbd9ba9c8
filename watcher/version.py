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
"""Name and version of the installed package."""

from pbr import version

PRODUCT = 'OpenStack Watcher'
VENDOR = 'OpenStack Foundation'
DISTRIBUTION = 'python-watcher'

version_info = version.VersionInfo(DISTRIBUTION)


def version_string() -> str:
    """Return the version as numbers, for example 17.0.0."""
    return version_info.version_string()


def release_string() -> str:
    """Return the version with its development suffix, if there is one."""
    return version_info.release_string()


class ReportVersion:
    """What the Package section of a report shows."""

    @staticmethod
    def vendor_string() -> str:
        """Return who publishes the package."""
        return VENDOR

    @staticmethod
    def product_string() -> str:
        """Return the name of the product."""
        return PRODUCT

    @staticmethod
    def version_string_with_package() -> str:
        """Return the version with its development suffix."""
        return release_string()
