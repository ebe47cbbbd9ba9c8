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
"""Objects that a payload nests, found whatever the caller had loaded."""

import datetime
from typing import Any

from watcher.common import context as watcher_context


def related(obj: Any, relation: str, cls: type) -> Any:
    """The object behind a relation, also when it is soft deleted.

    :param obj: the object that refers
    :param relation: name of the relation; its key field is
        ``<relation>_id``
    :param cls: class of the related object
    :returns: the related object; None when the key is not set
    """
    key = getattr(obj, relation + '_id')
    if key is None:
        return None
    if obj.obj_attr_is_set(relation):
        loaded = getattr(obj, relation)
        if loaded is not None and loaded.id == key:
            return loaded
    return cls.get_by_id(watcher_context.admin_context(show_deleted=True),
                         key)


def uuid_of(obj: Any) -> str | None:
    """The UUID of an object that may be missing."""
    return None if obj is None else obj.uuid


def utc(moment: Any) -> Any:
    """A naive UTC date as an aware one; None stays None."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=datetime.UTC)
