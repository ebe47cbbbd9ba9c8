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
"""Plans that undo or repeat what another plan did.

::

    steps      what the plan did: its actions and the records of their runs
    rollback   steps -> wishes: the inverse of what succeeded, last first
    retry      steps -> wishes: what did not succeed
    reality    wishes -> those that the cloud, as it is now, still allows
    plans      reads the steps, asks the others, stores the new plan

Only the last of them reads or writes anything. The new plan is RECOMMENDED:
it runs when somebody starts it, like any plan.
"""
