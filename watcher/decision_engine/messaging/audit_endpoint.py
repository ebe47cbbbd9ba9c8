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
"""RPC: audits."""

import oslo_messaging as messaging


class AuditEndpoint:
    """Takes the word that an audit waits.

    :param dispatcher: who runs audits.
    """

    target = messaging.Target(version='1.0')

    def __init__(self, dispatcher):
        self._dispatcher = dispatcher

    def trigger_audit(self, context, audit_uuid: str) -> str:
        """Have the audit run soon; returns at once with its UUID."""
        self._dispatcher.trigger(context, audit_uuid)
        return audit_uuid
