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
"""Column types of the tables."""

import json

import sqlalchemy as sa
from oslo_serialization import jsonutils
from sqlalchemy.dialects import mysql

#: TEXT ends at 65 535 bytes on MySQL: about 1,700 parents of one action.
LONG_TEXT = (sa.Text()
             .with_variant(mysql.MEDIUMTEXT(), 'mysql')
             .with_variant(mysql.MEDIUMTEXT(), 'mariadb'))

#: A float of double precision; FLOAT of MySQL has only six digits.
DOUBLE = (sa.Float(53)
          .with_variant(mysql.DOUBLE(asdecimal=False), 'mysql')
          .with_variant(mysql.DOUBLE(asdecimal=False), 'mariadb'))

#: A date with microseconds; DATETIME of MySQL has whole seconds otherwise.
MOMENT = (sa.DateTime()
          .with_variant(mysql.DATETIME(fsp=6), 'mysql')
          .with_variant(mysql.DATETIME(fsp=6), 'mariadb'))


class _JsonText(sa.types.TypeDecorator):
    """JSON as text; an absent value is stored as the empty container.

    Changes inside a loaded value are not seen: assign a new value.
    """

    impl = LONG_TEXT
    container: type = object

    @classmethod
    def check(cls, value):
        """Return the value to store.

        :raises TypeError: when the value is not of this container kind
        """
        if value is None:
            return cls.container()
        if cls.container is list and isinstance(value, (tuple, set)):
            return list(value)
        if not isinstance(value, cls.container):
            raise TypeError(f'expected {cls.container.__name__}, '
                            f'got {type(value).__name__}')
        return value

    def process_bind_param(self, value, dialect):
        return jsonutils.dumps(self.check(value))

    def process_result_value(self, value, dialect):
        return None if value is None else json.loads(value)


class JsonDict(_JsonText):
    """A JSON object."""

    container = dict
    cache_ok = True


class JsonList(_JsonText):
    """A JSON list."""

    container = list
    cache_ok = True


class JsonValue(_JsonText):
    """Any JSON value; NULL is the absent one."""

    container = object
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else jsonutils.dumps(value)


class JsonOrText(JsonValue):
    """Any JSON value; what is none, because somebody wrote it, is a text.

    For what is read of many rows at once, and is checked by the reader.
    """

    cache_ok = True

    def process_result_value(self, value, dialect):
        try:
            return super().process_result_value(value, dialect)
        except ValueError:
            return value
