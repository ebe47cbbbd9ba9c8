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
"""Translation of messages that users see (exceptions, API answers).

Log messages are not translated. Nothing translated is ever stored.
"""

import oslo_i18n

DOMAIN = 'watcher'

_translators = oslo_i18n.TranslatorFactory(domain=DOMAIN)

_ = _translators.primary


def get_available_languages() -> list[str]:
    """Return the locales for which a catalogue of messages is installed."""
    return oslo_i18n.get_available_languages(DOMAIN)
